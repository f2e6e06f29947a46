//! Sets of accounts and projects that are asked by hashes that the subject has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use netbuild_core::model::{AccountId, ProjectId};

use crate::definition::ProjectOf;
use crate::key::Hashed;
use crate::subject::Subject;

use crate::bucket::{account_hash, project_hash};

/// A set of ids by their hashes. Most who ask are not in it: of few ids a look at 256 bits says so.
#[derive(Debug)]
struct Ids<T> {
    /// A bit for the highest eight bits of each hash.
    filter: [u64; 4],
    /// By hash, the first that has it and the others.
    ids: HashMap<u64, (T, Vec<T>), Hashed>,
}

impl<T> Ids<T> {
    /// Whether an id with this hash `is` the one that is meant: equal hashes must not make two ids one.
    #[inline]
    fn any(&self, hash: u64, is: impl Fn(&T) -> bool) -> bool {
        let (word, bit) = place(hash);
        if self.filter[word] & bit == 0 {
            return false;
        }
        self.ids.get(&hash).is_some_and(|(first, others)| is(first) || others.iter().any(is))
    }

    fn insert(&mut self, hash: u64, id: T) {
        let (word, bit) = place(hash);
        self.filter[word] |= bit;
        match self.ids.entry(hash) {
            Entry::Vacant(place) => {
                place.insert((id, Vec::new()));
            }
            Entry::Occupied(mut ids) => ids.get_mut().1.push(id),
        }
    }
}

/// The word and the bit of the filter.
#[inline]
fn place(hash: u64) -> (usize, u64) {
    (usize::try_from(hash >> 62).unwrap_or(0), 1 << ((hash >> 56) & 63))
}

impl<T> Default for Ids<T> {
    fn default() -> Self {
        Ids { filter: [0; 4], ids: HashMap::default() }
    }
}

/// A set of accounts.
#[derive(Debug, Default)]
pub(crate) struct Accounts(Ids<AccountId>);

impl Accounts {
    #[inline]
    pub(crate) fn holds(&self, subject: &Subject<'_>) -> bool {
        self.0.any(subject.account_hash, |id| id == subject.account)
    }
}

impl<'a> FromIterator<&'a AccountId> for Accounts {
    fn from_iter<I: IntoIterator<Item = &'a AccountId>>(ids: I) -> Self {
        let mut set = Accounts::default();
        for id in ids {
            set.0.insert(account_hash(id), id.clone());
        }
        set
    }
}

/// A set of projects.
#[derive(Debug, Default)]
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
        let mut set = Projects::default();
        for ProjectOf { account, project } in ids {
            let hash = project_hash(account_hash(account), project);
            set.0.insert(hash, (account.clone(), project.clone()));
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_hashes_do_not_make_two_ids_one() {
        let mut ids = Ids::default();
        ids.insert(7, "a");
        ids.insert(7, "b");
        for (id, expected) in [("a", true), ("b", true), ("c", false)] {
            assert_eq!(ids.any(7, |held| *held == id), expected);
        }
        assert!(!ids.any(8, |_| true) && !ids.any(u64::MAX, |_| true));
    }
}
