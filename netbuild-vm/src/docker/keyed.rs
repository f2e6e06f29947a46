//! One turn at a time for each key.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// Locks by key, each for as long as somebody has or wants it.
#[derive(Debug)]
pub(super) struct Keyed<K>(Mutex<BTreeMap<K, Weak<tokio::sync::Mutex<()>>>>);

impl<K> Default for Keyed<K> {
    fn default() -> Self {
        Keyed(Mutex::default())
    }
}

impl<K: Ord + Clone> Keyed<K> {
    /// Waits for the turn.
    pub(super) async fn lock(&self, key: &K) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| lock.strong_count() > 0);
            let lock = locks.get(key).and_then(Weak::upgrade).unwrap_or_default();
            locks.insert(key.clone(), Arc::downgrade(&lock));
            lock
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn equal_keys_take_turns_others_do_not_and_nothing_is_kept() {
        let keyed = Keyed::default();
        let first = keyed.lock(&"a").await;
        let _other = keyed.lock(&"b").await;
        {
            let second = keyed.lock(&"a");
            tokio::pin!(second);
            assert!(futures_util::poll!(&mut second).is_pending());
            drop(first);
            assert!(futures_util::poll!(&mut second).is_ready());
        }
        keyed.lock(&"a").await;
        let left: Vec<_> = keyed.0.lock().unwrap().keys().copied().collect();
        assert_eq!(left, ["a", "b"]);
    }
}
