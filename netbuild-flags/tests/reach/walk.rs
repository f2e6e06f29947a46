//! Directories are walked page by page, and one that breaks its contract does not hold anybody up.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use netbuild_core::model::AccountId;
use netbuild_flags::Definition;
use netbuild_flags::directory::{Directory, DirectoryAccount, DirectoryError, MemoryDirectory, PAGE, Progress};
use netbuild_flags::reach::{ReachError, reach};

use crate::support::{flag, memory, snapshot};

/// Notes the longest page it told.
#[derive(Debug)]
struct Watched {
    directory: MemoryDirectory,
    longest: AtomicUsize,
}

#[async_trait]
impl Directory for Watched {
    async fn page(&self, after: Option<&AccountId>, max: usize) -> Result<Vec<DirectoryAccount>, DirectoryError> {
        let page = self.directory.page(after, max).await?;
        self.longest.fetch_max(page.len(), Ordering::Relaxed);
        Ok(page)
    }

    async fn size(&self) -> Result<Option<u64>, DirectoryError> {
        self.directory.size().await
    }
}

#[tokio::test]
async fn progress_is_told_after_each_page_and_a_page_is_all_that_is_held() {
    let accounts = PAGE as u64 * 2 + 100;
    let directory = Watched { directory: memory(u32::try_from(accounts).unwrap()), longest: AtomicUsize::new(0) };
    let snapshot = snapshot(Definition { global: true, ..Definition::default() });
    let mut told = Vec::new();
    let reach = reach(&snapshot, &flag(), &directory, |progress| told.push(progress)).await.unwrap();
    assert_eq!((reach.accounts.on, reach.accounts.of), (accounts, accounts));
    let done = [PAGE as u64, PAGE as u64 * 2, accounts, accounts];
    assert_eq!(told, done.map(|done| Progress { done, of: Some(accounts) }));
    assert_eq!(directory.longest.load(Ordering::Relaxed), PAGE);
}

/// Always begins at the beginning.
#[derive(Debug)]
struct Circular(MemoryDirectory);

#[async_trait]
impl Directory for Circular {
    async fn page(&self, _: Option<&AccountId>, max: usize) -> Result<Vec<DirectoryAccount>, DirectoryError> {
        self.0.page(None, max).await
    }

    async fn size(&self) -> Result<Option<u64>, DirectoryError> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_directory_that_goes_round_in_circles_is_told() {
    let directory = Circular(memory(10));
    let refused = reach(&snapshot(Definition::default()), &flag(), &directory, |_| ()).await;
    assert!(matches!(refused, Err(ReachError::Directory(DirectoryError::Repeated(_)))), "{refused:?}");
}
