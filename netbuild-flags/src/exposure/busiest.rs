//! The accounts that came most often.

use netbuild_core::model::AccountId;

/// How many are kept.
pub(super) const KEPT: usize = 64;

/// The accounts that came most often, with the count with which each was last offered. It has room for all from the
/// start, so that an offer allocates nothing.
#[derive(Debug)]
pub(super) struct Busiest(Vec<(AccountId, u32)>);

impl Busiest {
    pub(super) fn new() -> Self {
        Busiest(Vec::with_capacity(KEPT))
    }

    /// Takes an account that came `count` times, if it belongs to the busiest. Answers the count above which an offer
    /// is of use from now on.
    pub(super) fn offer(&mut self, account: &AccountId, count: u32) -> u32 {
        let least = self.0.iter().enumerate().min_by_key(|(_, (_, count))| *count).map(|(index, _)| index);
        if let Some(known) = self.0.iter_mut().find(|(known, _)| known == account) {
            known.1 = known.1.max(count);
        } else if self.0.len() < KEPT {
            self.0.push((account.clone(), count));
        } else if let Some(least) = least
            && self.0[least].1 < count
        {
            self.0[least] = (account.clone(), count);
        }
        if self.0.len() < KEPT { 0 } else { self.0.iter().map(|(_, count)| *count).min().unwrap_or(0) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(AccountId, u32)> {
        self.0.iter()
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
            busiest.offer(&account(&format!("a{count}")), count);
        }
        let mut counts: Vec<u32> = busiest.iter().map(|(_, count)| *count).collect();
        counts.sort_unstable();
        assert_eq!(counts, (937..=1_000).collect::<Vec<_>>());
        assert_eq!(busiest.offer(&account("a1"), 1), 937);
        assert_eq!(busiest.offer(&account("a937"), 2_000), 938);
    }
}
