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

/// What is left of a quota. When one entry does not fit, no later one does: a small one that was used long ago must not
/// outlive a large one that was used today.
struct Room {
    quota: CacheQuota,
    entries: usize,
    bytes: u64,
    full: bool,
}

impl Room {
    fn of(quota: CacheQuota) -> Self {
        Room { quota, entries: 0, bytes: 0, full: false }
    }

    fn takes(&mut self, entry: &CacheEntry) -> bool {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.bytes);
        self.full |= !self.quota.holds(self.entries, self.bytes);
        !self.full
    }
}
