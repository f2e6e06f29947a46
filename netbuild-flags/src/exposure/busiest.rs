//! The accounts that came most often.

use netbuild_core::model::AccountId;

/// How many are kept.
pub(super) const KEPT: usize = 64;

/// The accounts that came most often, with the count with which each was last offered. It has room for all from the
/// start, so that an offer allocates nothing.
#[derive(Debug)]
pub(super) struct Busiest {
    /// The hashes and counts lie by themselves: an offer looks at all of them.
    hashes: [u64; KEPT],
    counts: [u32; KEPT],
    accounts: Vec<AccountId>,
}

impl Busiest {
    pub(super) fn new() -> Self {
        Busiest { hashes: [0; KEPT], counts: [0; KEPT], accounts: Vec::with_capacity(KEPT) }
    }

    /// Takes an account that came `count` times, if it belongs to the busiest. Answers the count above which an offer
    /// is of use from now on.
    pub(super) fn offer(&mut self, account: &AccountId, hash: u64, count: u32) -> u32 {
        let kept = self.accounts.len();
        let known = (0..kept).find(|place| self.hashes[*place] == hash && self.accounts[*place] == *account);
        let least = |counts: &[u32; KEPT]| (0..KEPT).min_by_key(|place| counts[*place]).unwrap_or(0);
        if let Some(place) = known {
            self.counts[place] = self.counts[place].max(count);
        } else if kept < KEPT {
            self.accounts.push(account.clone());
            (self.hashes[kept], self.counts[kept]) = (hash, count);
        } else {
            let least = least(&self.counts);
            if self.counts[least] < count {
                self.accounts[least] = account.clone();
                (self.hashes[least], self.counts[least]) = (hash, count);
            }
        }
        if self.accounts.len() < KEPT { 0 } else { self.counts[least(&self.counts)] }
    }

    pub(super) fn accounts(&self) -> &[AccountId] {
        &self.accounts
    }
}

/// Whether a count is one at which an account is offered: each of the first eight, then whenever it grew by an eighth.
/// So offers are rare, and no account is ever known by less than 8/9 of its count.
pub(super) const fn is_offered(count: u32) -> bool {
    count < 8 || count.trailing_zeros() + 3 >= 31 - count.leading_zeros()
}

#[cfg(test)]
mod tests {
    use netbuild_core::testkit::fixtures::account;

    use super::*;

    #[test]
    fn between_two_offers_a_count_grows_by_an_eighth_at_most() {
        let mut last = 0;
        for count in 1..100_000_u32 {
            if is_offered(count) {
                assert!(count - last <= 1 + last / 8, "{last} to {count}");
                last = count;
            }
        }
        assert_eq!((1..100_000).filter(|count| is_offered(*count)).count(), 116);
    }

    #[test]
    fn the_busiest_stay() {
        let mut busiest = Busiest::new();
        for count in 1..=1_000 {
            // Equal hashes do not make two accounts one.
            busiest.offer(&account(&format!("a{count}")), 7, count);
        }
        let mut counts = busiest.counts;
        counts.sort_unstable();
        assert_eq!(counts.to_vec(), (937..=1_000).collect::<Vec<_>>());
        assert_eq!(busiest.offer(&account("a1"), 7, 1), 937);
        assert_eq!(busiest.offer(&account("a937"), 7, 2_000), 938);
        assert_eq!(busiest.accounts().len(), KEPT);
    }
}
