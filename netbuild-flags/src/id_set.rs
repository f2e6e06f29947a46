//! Sets of accounts and projects that are asked by hashes that the subject has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use netbuild_core::model::{AccountId, ProjectId};

use crate::definition::ProjectOf;
use crate::key::Hashed;
use crate::subject::Subject;

use crate::bucket::{account_hash, project_hash};

/// Bits of the filter for each id: of 100 who are not in a set, at most 7 are looked up.
const BITS_AN_ID: usize = 16;
/// Bits of a word of the filter.
const WORD: usize = 64;

/// A set of ids by their hashes. Most who ask are not in it: a look at one bit says so of nearly all of them.
#[derive(Debug)]
struct Ids<T> {
    /// A bit for each hash, in a power of two words.
    filter: Box<[u64]>,
    /// By hash, the first that has it and the others.
    ids: HashMap<u64, (T, Vec<T>), Hashed>,
}

impl<T> Ids<T> {
    /// Whether an id with this hash `is` the one that is meant: equal hashes must not make two ids one.
    #[inline]
    fn any(&self, hash: u64, is: impl Fn(&T) -> bool) -> bool {
        let (word, bit) = place(self.filter.len(), hash);
        if self.filter.get(word).is_none_or(|word| word & bit == 0) {
            return false;
        }
        self.ids.get(&hash).is_some_and(|(first, others)| is(first) || others.iter().any(is))
    }
}

impl<T> FromIterator<(u64, T)> for Ids<T> {
    fn from_iter<I: IntoIterator<Item = (u64, T)>>(hashed: I) -> Self {
        let mut ids: HashMap<u64, (T, Vec<T>), Hashed> = HashMap::default();
        for (hash, id) in hashed {
            match ids.entry(hash) {
                Entry::Vacant(place) => {
                    place.insert((id, Vec::new()));
                }
                Entry::Occupied(mut ids) => ids.get_mut().1.push(id),
            }
        }
        let mut filter = vec![0; (ids.len() * BITS_AN_ID).div_ceil(WORD).next_power_of_two()];
        for hash in ids.keys() {
            let (word, bit) = place(filter.len(), *hash);
            filter[word] |= bit;
        }
        Ids { filter: filter.into(), ids }
    }
}

/// The word and the bit of a filter of so many words.
#[inline]
fn place(words: usize, hash: u64) -> (usize, u64) {
    (usize::try_from(hash >> 32).unwrap_or(0) & (words - 1), 1 << (hash >> 58))
}

/// A set of accounts.
#[derive(Debug)]
pub(crate) struct Accounts(Ids<AccountId>);

impl Accounts {
    #[inline]
    pub(crate) fn holds(&self, subject: &Subject<'_>) -> bool {
        self.0.any(subject.account_hash, |id| id == subject.account)
    }
}

impl<'a> FromIterator<&'a AccountId> for Accounts {
    fn from_iter<I: IntoIterator<Item = &'a AccountId>>(ids: I) -> Self {
        Accounts(ids.into_iter().map(|id| (account_hash(id), id.clone())).collect())
    }
}

/// A set of projects.
#[derive(Debug)]
pub(crate) struct Projects(Ids<(AccountId, ProjectId)>);

impl Projects {
    #[inline]
    pub(crate) fn holds(&self, subject: &Subject<'_>) -> bool {
        let Some(project) = subject.project else { return false };
        self.0.any(project.hash, |(account, id)| account == subject.account && id == project.id)
    }
}

impl<'a> FromIterator<&'a ProjectOf> for Projects {
    fn from_iter<I: IntoIterator<Item = &'a ProjectOf>>(ids: I) -> Self {
        let hashed = |ProjectOf { account, project }: &ProjectOf| {
            (project_hash(account_hash(account), project), (account.clone(), project.clone()))
        };
        Projects(ids.into_iter().map(hashed).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_hashes_do_not_make_two_ids_one() {
        let ids: Ids<&str> = [(7, "a"), (7, "b")].into_iter().collect();
        for (id, expected) in [("a", true), ("b", true), ("c", false)] {
            assert_eq!(ids.any(7, |held| *held == id), expected);
        }
        assert!(!ids.any(8, |_| true) && !ids.any(u64::MAX, |_| true));
    }

    #[test]
    fn every_id_of_a_set_of_any_size_is_found_and_few_others_pass_the_filter() {
        let hash = |n: u32| crate::bucket::hash(&n.to_string());
        for size in [0, 1, 3, 4, 5, 100, 1_000] {
            let ids: Ids<u32> = (0..size).map(|n| (hash(n), n)).collect();
            assert!((0..size).all(|n| ids.any(hash(n), |held| *held == n)), "{size}");
            let passes = |n: &u32| {
                let (word, bit) = place(ids.filter.len(), hash(*n));
                ids.filter[word] & bit != 0
            };
            let passed = (10_000..20_000).filter(passes).count();
            assert!(passed <= 800, "{passed} of 10,000 pass the filter of {size}");
        }
    }
}
