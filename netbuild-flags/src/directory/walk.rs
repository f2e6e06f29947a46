//! Through a whole directory, page by page.

use super::{Directory, DirectoryAccount, DirectoryError};

/// How many accounts are asked for at a time: the memory that a whole directory needs.
pub const PAGE: usize = 2_000;

/// How far through a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The accounts that are done, with their projects.
    pub done: u64,
    /// Of how many, where the directory knows; it may grow or shrink meanwhile.
    pub of: Option<u64>,
}

/// Shows each account of a directory, and tells after each page how far it is.
pub(crate) async fn walk(
    directory: &dyn Directory,
    mut progress: impl FnMut(Progress) + Send,
    mut each: impl FnMut(&DirectoryAccount) + Send,
) -> Result<(), DirectoryError> {
    let of = directory.size().await?;
    let (mut after, mut done) = (None, 0);
    loop {
        let page = directory.page(after.as_ref(), PAGE).await?;
        page.iter().for_each(&mut each);
        done += u64::try_from(page.len()).unwrap_or(u64::MAX);
        progress(Progress { done, of });
        let Some(last) = page.into_iter().next_back() else { return Ok(()) };
        if after.as_ref() == Some(&last.account) {
            return Err(DirectoryError::Repeated(last.account));
        }
        after = Some(last.account);
        // A directory that never waits would keep the thread from everything else.
        tokio::task::yield_now().await;
    }
}
