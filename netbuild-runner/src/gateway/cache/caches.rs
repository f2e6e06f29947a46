//! The caches of all projects, for the host.

use std::sync::Arc;

use netbuild_core::model::{AccountId, CacheName, ProjectId, Timestamp};
use netbuild_core::port::Clock;
use object_store::ObjectStore;

use super::figures::{self, Why};
use super::project::ProjectCaches;
use super::scope::delete;
use super::sweep::sweep_project;
use super::{CacheEntry, CacheLimits};

/// What projects keep between their builds. The gateway fills it for runners; the host sweeps it now and then, shows it to
/// people and clears it for them.
///
/// It has no state of its own: several may work on one store side by side. Every call may be dropped at any time, and made
/// again after a failure. The calls have no deadline of their own.
#[derive(Clone, Debug)]
pub struct Caches {
    store: Arc<dyn ObjectStore>,
    limits: CacheLimits,
    clock: Arc<dyn Clock>,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Entries: too old, over a quota, or without their archive.
    pub entries: usize,
    /// Archives that never became an entry's.
    pub archives: usize,
}

/// The store of the caches failed: try again.
#[derive(Debug, thiserror::Error)]
#[error("the object store of the caches is not available: try again")]
pub struct CachesError(#[from] object_store::Error);

impl Caches {
    /// Caches in a store, which may be the one of the files. A local folder should be opened with
    /// `LocalFileSystem::with_automatic_cleanup(true)`, or it keeps empty folders. An upload that the end of the gateway's
    /// process cuts off may leave parts that no list shows and no sweep sees (in a folder: files with `#` in their names):
    /// a bucket should expire incomplete uploads after a day.
    pub fn new(store: Arc<dyn ObjectStore>, limits: CacheLimits, clock: Arc<dyn Clock>) -> Self {
        Caches { store, limits, clock }
    }

    /// The entries of a project, by scope, name and time, the newest first.
    ///
    /// # Errors
    /// [`CachesError`].
    pub async fn list(&self, account: &AccountId, project: &ProjectId) -> Result<Vec<CacheEntry>, CachesError> {
        let project = self.project(account, project);
        let mut entries = project.entries(&project.objects().await?).await?;
        let order = |entry: &CacheEntry| (entry.scope.clone(), entry.name.clone(), std::cmp::Reverse(entry.created_at));
        entries.sort_by_cached_key(|entry| (order(entry), entry.key));
        Ok(entries)
    }

    /// Removes everything that a project keeps, in all scopes: for a "clear cache" button, and when a project is deleted.
    /// A build that runs at the same time may save its entry afterwards.
    ///
    /// # Errors
    /// [`CachesError`].
    pub async fn clear(&self, account: &AccountId, project: &ProjectId) -> Result<(), CachesError> {
        let project = self.project(account, project);
        let objects = project.objects().await?;
        figures::removed(Why::Cleared, project.entries(&objects).await?.len());
        for object in objects {
            delete(&*self.store, &object.location).await?;
        }
        Ok(())
    }

    /// Removes the entries of one name, in all scopes, and gives their number.
    ///
    /// # Errors
    /// [`CachesError`].
    pub async fn clear_name(
        &self,
        account: &AccountId,
        project: &ProjectId,
        name: &CacheName,
    ) -> Result<usize, CachesError> {
        let project = self.project(account, project);
        let entries = project.entries(&project.objects().await?).await?;
        let (gone, kept): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.name == *name);
        project.remove(&gone, &kept).await?;
        figures::removed(Why::Cleared, gone.len());
        Ok(gone.len())
    }

    /// Goes through the whole store and removes what is over the bounds and what crashes left. It may run beside builds
    /// that save and restore, and beside another sweep. Call it some times a day.
    ///
    /// # Errors
    /// [`CachesError`], at the first project that fails; what was removed until then stays so.
    pub async fn sweep(&self) -> Result<Swept, CachesError> {
        let mut swept = Swept::default();
        for account in self.store.list_with_delimiter(None).await?.common_prefixes {
            for tenant in self.store.list_with_delimiter(Some(&account)).await?.common_prefixes {
                let project = ProjectCaches::at(&self.store, tenant.as_ref());
                let of_project = sweep_project(&project, &self.limits, self.clock.now()).await?;
                swept.entries += of_project.entries;
                swept.archives += of_project.archives;
            }
        }
        Ok(swept)
    }

    pub(super) fn project(&self, account: &AccountId, project: &ProjectId) -> ProjectCaches {
        ProjectCaches::new(&self.store, account, project)
    }

    pub(super) fn limits(&self) -> &CacheLimits {
        &self.limits
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
