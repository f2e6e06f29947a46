//! Which entries go: a decision without I/O.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use netbuild_core::model::{CacheScope, Timestamp};

use super::{CacheEntry, CacheLimits, CacheQuota};

/// Splits a project's entries into those that stay and those that go: what was not used for too long, and then the least
/// recently used until every quota is kept. Where two were used at the same time the older one goes first; the order in
/// which they are given does not matter. A time in the future counts as now.
pub(super) fn evict(
    mut entries: Vec<CacheEntry>,
    limits: &CacheLimits,
    now: Timestamp,
) -> (Vec<CacheEntry>, Vec<CacheEntry>) {
    entries.sort_by(|a, b| rank(a, now).cmp(&rank(b, now)));
    let (mut trusted, mut untrusted) = (Room::of(limits.trusted), Room::of(limits.untrusted));
    let mut scopes = BTreeMap::new();
    entries.into_iter().partition(|entry| {
        if now.since(entry.used_at) > limits.unused {
            return false;
        }
        match &entry.scope {
            CacheScope::Trusted => trusted.takes(entry),
            scope @ CacheScope::Untrusted(_) => {
                let own = scopes.entry(scope.clone()).or_insert_with(|| Room::of(limits.untrusted_scope));
                own.takes(entry) && untrusted.takes(entry)
            }
        }
    })
}

/// The one to keep first has the lowest rank.
fn rank(entry: &CacheEntry, now: Timestamp) -> impl Ord {
    (Reverse((entry.used_at.min(now), entry.created_at.min(now))), entry.scope.clone(), entry.name.clone(), entry.key)
}

/// What a quota has to hold. An entry counts also when it does not fit, so no later one does: a small one that was used
/// long ago must not outlive a large one that was used today.
struct Room {
    quota: CacheQuota,
    entries: usize,
    bytes: u64,
}

impl Room {
    fn of(quota: CacheQuota) -> Self {
        Room { quota, entries: 0, bytes: 0 }
    }

    fn takes(&mut self, entry: &CacheEntry) -> bool {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.bytes);
        self.entries <= self.quota.entries && self.bytes <= self.quota.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use netbuild_core::model::{CacheKey, CacheName, DeployContext, Digest};
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn limits() -> CacheLimits {
        CacheLimits {
            archive_bytes: 100,
            trusted: CacheQuota { entries: 4, bytes: 100 },
            untrusted_scope: CacheQuota { entries: 2, bytes: 50 },
            untrusted: CacheQuota { entries: 3, bytes: 80 },
            unused: Duration::from_millis(900),
            ..CacheLimits::default()
        }
    }

    fn scope(number: u8) -> CacheScope {
        match number {
            0 => CacheScope::Trusted,
            fork => CacheScope::Untrusted(DeployContext::Preview(fork.to_string())),
        }
    }

    fn entry(number: usize, scope_number: u8, bytes: u64, used_at: u64) -> CacheEntry {
        let key: CacheKey = serde_json::from_value(Digest::of(number.to_string()).to_string().into()).unwrap();
        CacheEntry {
            scope: scope(scope_number),
            name: CacheName::new("npm").unwrap(),
            key,
            archive: *key.digest(),
            bytes,
            created_at: Timestamp::from_millis(used_at / 2),
            used_at: Timestamp::from_millis(used_at),
        }
    }

    /// Some entries of the trusted scope and of three forks, many of them used at the same time or in the future.
    fn entries() -> impl Strategy<Value = Vec<CacheEntry>> {
        prop::collection::vec((0_u8..4, 0_u64..=50, 0_u64..12), 0..20).prop_map(|entries| {
            let numbered = entries.into_iter().enumerate();
            numbered.map(|(number, (scope, bytes, used))| entry(number, scope, bytes, used * 100)).collect()
        })
    }

    fn fits(entries: &[CacheEntry], quota: CacheQuota, of: impl Fn(&CacheScope) -> bool) -> bool {
        let counted: Vec<_> = entries.iter().filter(|entry| of(&entry.scope)).collect();
        counted.len() <= quota.entries && counted.iter().map(|entry| entry.bytes).sum::<u64>() <= quota.bytes
    }

    /// Whether all quotas that an entry counts for are kept.
    fn within(entries: &[CacheEntry], of: &CacheScope) -> bool {
        let limits = limits();
        match of {
            CacheScope::Trusted => fits(entries, limits.trusted, |scope| scope == of),
            CacheScope::Untrusted(_) => {
                fits(entries, limits.untrusted_scope, |scope| scope == of)
                    && fits(entries, limits.untrusted, |scope| *scope != CacheScope::Trusted)
            }
        }
    }

    fn keys(entries: &[CacheEntry]) -> BTreeSet<CacheKey> {
        entries.iter().map(|entry| entry.key).collect()
    }

    proptest! {
        #[test]
        fn what_stays_is_within_every_bound(entries in entries()) {
            let all = keys(&entries);
            let (kept, gone) = evict(entries, &limits(), NOW);
            prop_assert_eq!(&keys(&kept) | &keys(&gone), all, "each is in one of the two");
            for entry in &kept {
                prop_assert!(within(&kept, &entry.scope));
                prop_assert!(NOW.since(entry.used_at) <= limits().unused);
            }
        }

        #[test]
        fn what_goes_is_too_old_or_less_recently_used_than_what_fills_a_quota(entries in entries()) {
            let all = entries.clone();
            let (kept, gone) = evict(entries, &limits(), NOW);
            let used = |entry: &CacheEntry| entry.used_at.min(NOW);
            for gone in gone.iter().filter(|entry| NOW.since(entry.used_at) <= limits().unused) {
                for kept in kept.iter().filter(|kept| kept.scope == gone.scope) {
                    prop_assert!(used(kept) >= used(gone), "{kept:?} stays and {gone:?} goes");
                }
                let later: Vec<_> = all.iter().filter(|entry| used(entry) >= used(gone)).cloned().collect();
                prop_assert!(!within(&later, &gone.scope), "{gone:?} could stay");
            }
        }

        #[test]
        fn forks_push_out_nothing_of_the_base(entries in entries()) {
            let base = |entries: &[CacheEntry]| -> Vec<CacheEntry> {
                entries.iter().filter(|entry| entry.scope == CacheScope::Trusted).cloned().collect()
            };
            let alone = evict(base(&entries), &limits(), NOW).0;
            prop_assert_eq!(base(&evict(entries, &limits(), NOW).0), alone);
        }

        #[test]
        fn the_order_does_not_matter_and_a_second_time_removes_nothing(
            (entries, shuffled) in entries().prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle())),
        ) {
            let (kept, gone) = evict(entries, &limits(), NOW);
            prop_assert_eq!(evict(shuffled, &limits(), NOW), (kept.clone(), gone));
            prop_assert_eq!(evict(kept.clone(), &limits(), NOW), (kept, Vec::new()));
        }
    }
}
