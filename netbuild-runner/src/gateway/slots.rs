//! Room that accounts share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use netbuild_core::model::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Slots in which requests take turns. An account waits for its own requests first and only then for the others', so no
/// account can keep the rest out by the number of its requests.
#[derive(Debug)]
pub(super) struct Slots {
    all: Arc<Semaphore>,
    of_one: usize,
    accounts: Mutex<BTreeMap<AccountId, Arc<Semaphore>>>,
}

/// A slot that is taken until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Slots {
    /// `total` slots, of which one account has `of_one` at most. Both are at least 1.
    pub(super) fn new(total: usize, of_one: usize) -> Self {
        Slots { all: Arc::new(Semaphore::new(total.max(1))), of_one: of_one.max(1), accounts: Mutex::default() }
    }

    /// Waits for a slot.
    pub(super) async fn take(&self, account: &AccountId) -> Slot {
        let own = acquire(self.account(account)).await;
        Slot { _own: own, _all: acquire(Arc::clone(&self.all)).await }
    }

    fn account(&self, account: &AccountId) -> Arc<Semaphore> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        // A permit and a waiting request hold the semaphore; without either it is not needed.
        accounts.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        let semaphore = accounts.entry(account.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.of_one)));
        Arc::clone(semaphore)
    }
}

async fn acquire(semaphore: Arc<Semaphore>) -> OwnedSemaphorePermit {
    semaphore.acquire_owned().await.expect("the semaphores of slots are never closed")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn takes(slots: &Slots, account: &str) -> Option<Slot> {
        timeout(Duration::from_secs(1), slots.take(&AccountId::new(account).unwrap())).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn one_account_cannot_take_the_room_of_others() {
        let slots = Slots::new(3, 2);
        let (first, second) = (takes(&slots, "a").await, takes(&slots, "a").await);
        assert!(first.is_some() && second.is_some());
        assert!(takes(&slots, "a").await.is_none(), "its two are taken");
        let other = takes(&slots, "b").await;
        assert!(other.is_some());
        assert!(takes(&slots, "b").await.is_none(), "all three are taken");
        drop(first);
        assert!(takes(&slots, "b").await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn accounts_without_requests_are_forgotten() {
        let slots = Slots::new(3, 2);
        for account in ["a", "b", "c"] {
            drop(takes(&slots, account).await);
        }
        assert_eq!(slots.accounts.lock().unwrap().len(), 1);
    }
}
