//! A store for tests, and for definitions that need not outlive their process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use netbuild_core::port::Clock;
use tokio::sync::Notify;

use super::change::{applied, flags, undo};
use super::{Change, Revision, Store, StoreError};
use crate::source::{Loaded, Source, SourceError};
use crate::{Definitions, FlagKey};

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
    news: Notify,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Kept {
    definitions: Definitions,
    /// Revision 1 first.
    revisions: Vec<Revision>,
}

impl Kept {
    fn newest(&self) -> u64 {
        self.revisions.len() as u64
    }
}

impl MemoryStore {
    /// A store without definitions.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        MemoryStore { kept: Mutex::default(), news: Notify::new(), clock }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Source for MemoryStore {
    async fn load(&self) -> Result<Loaded, SourceError> {
        let kept = self.kept();
        Ok(Loaded { definitions: kept.definitions.clone(), revision: Some(kept.newest()) })
    }

    async fn changed(&self) {
        self.news.notified().await;
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn change(&self, change: Change) -> Result<u64, StoreError> {
        let (mut kept, at) = (self.kept(), self.clock.now());
        let (after, changed) = applied(&kept.definitions, kept.newest(), &change, at)?;
        if !changed.is_empty() {
            let number = kept.newest() + 1;
            kept.definitions = after;
            kept.revisions.push(Revision { number, at, who: change.who, why: change.why, changed });
            // One is told now, and whoever comes next: several may watch.
            self.news.notify_waiters();
            self.news.notify_one();
        }
        Ok(kept.newest())
    }

    async fn history(
        &self,
        flag: Option<&FlagKey>,
        before: Option<u64>,
        max: usize,
    ) -> Result<Vec<Revision>, StoreError> {
        let kept = self.kept();
        let named = |revision: &&Revision| flag.is_none_or(|flag| flags(&revision.changed).any(|key| key == flag));
        let earlier = |revision: &&Revision| before.is_none_or(|before| revision.number < before);
        Ok(kept.revisions.iter().rev().filter(named).filter(earlier).take(max).cloned().collect())
    }

    async fn at(&self, revision: u64) -> Result<Definitions, StoreError> {
        let kept = self.kept();
        let later = usize::try_from(revision).ok().and_then(|revision| kept.revisions.get(revision..));
        let mut definitions = kept.definitions.clone();
        for later in later.ok_or(StoreError::NoRevision(revision))?.iter().rev() {
            undo(&mut definitions, later.changed.clone());
        }
        Ok(definitions)
    }

    async fn changed_at(&self) -> Result<BTreeMap<FlagKey, Timestamp>, StoreError> {
        let kept = self.kept();
        let of =
            |revision: &'_ Revision| flags(&revision.changed).map(|key| (key.clone(), revision.at)).collect::<Vec<_>>();
        Ok(kept.revisions.iter().flat_map(of).collect())
    }
}
