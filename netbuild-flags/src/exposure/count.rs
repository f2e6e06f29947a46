//! What is counted of one flag.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use netbuild_core::model::AccountId;

use super::busiest::{Busiest, is_offered};
use super::distinct::Distinct;
use super::frequency::{Came, Frequency};
use crate::FlagKey;
use crate::bucket::{account_hash, hash};

/// What is counted of one flag. One thread counts, any reads.
pub(super) struct Count {
    pub(super) key: FlagKey,
    salt: u64,
    /// How often it was off, and on.
    answers: [AtomicU64; 2],
    distinct: Distinct,
    busiest: Mutex<Busiest>,
    /// The count above which an offer to the busiest is of use.
    floor: AtomicU32,
}

impl Count {
    pub(super) fn new(key: &FlagKey) -> Self {
        Count {
            key: key.clone(),
            salt: hash(key.as_str()),
            answers: Default::default(),
            distinct: Distinct::new(),
            busiest: Mutex::new(Busiest::new()),
            floor: AtomicU32::new(0),
        }
    }

    /// Counts an evaluation. `frequency` is shared by the flags of this thread.
    #[inline]
    pub(super) fn add(&self, frequency: &Frequency, account: &AccountId, account_hash: u64, on: bool) {
        raise(&self.answers[usize::from(on)], 1);
        match frequency.add(self.salt ^ account_hash) {
            Came::Again(count) if !is_offered(count) => {}
            came => self.look_closer(frequency, account, account_hash, came),
        }
    }

    #[cold]
    fn look_closer(&self, frequency: &Frequency, account: &AccountId, account_hash: u64, came: Came) {
        if came == Came::New {
            self.distinct.add(account_hash);
        }
        let count = frequency.get(self.salt ^ account_hash);
        if count <= self.floor.load(Ordering::Relaxed) {
            return;
        }
        // Who reads holds the lock for a moment. An evaluation does not wait for it: the next offer comes.
        if let Ok(mut busiest) = self.busiest.try_lock() {
            self.floor.store(busiest.offer(account, account_hash, count), Ordering::Relaxed);
        }
    }

    /// Adds all that another counted, which was counted with `frequency`.
    pub(super) fn absorb(&self, other: &Count, frequency: &Frequency) {
        raise(&self.answers[0], other.off());
        raise(&self.answers[1], other.on());
        self.distinct.absorb(&other.distinct);
        for account in other.accounts() {
            let (hash, count) = (account_hash(&account), other.of(&account, frequency));
            self.busiest.lock().unwrap_or_else(PoisonError::into_inner).offer(&account, hash, count);
        }
    }

    pub(super) fn on(&self) -> u64 {
        self.answers[1].load(Ordering::Relaxed)
    }

    pub(super) fn off(&self) -> u64 {
        self.answers[0].load(Ordering::Relaxed)
    }

    pub(super) fn distinct(&self) -> u64 {
        self.distinct.estimate()
    }

    /// The accounts that may be the busiest.
    pub(super) fn accounts(&self) -> Vec<AccountId> {
        self.busiest.lock().unwrap_or_else(PoisonError::into_inner).accounts().to_vec()
    }

    /// How often it was evaluated for an account.
    pub(super) fn of(&self, account: &AccountId, frequency: &Frequency) -> u32 {
        frequency.get(self.salt ^ account_hash(account))
    }
}

/// One thread writes, so no other can come between.
fn raise(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

impl fmt::Debug for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Count").field("key", &self.key).field("answers", &self.answers).finish()
    }
}
