//! Logs in a folder of this machine.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::read_log;
use super::stored_log::{StoredLog, next_offset};
use crate::model::{AttemptId, Digest};
use crate::port::{LogChunk, LogStore, LogStoreError};

/// How many appends may run at once. Attempts share these places by their ids.
const WRITERS: usize = 64;

/// A [`LogStore`] in a folder: `<sha256 of account>/<sha256 of project>/<build id>.<attempt number>.log`. No text of a
/// tenant becomes a path.
///
/// An acknowledged append survives the end of the process at any point. After a power cut the last bytes may be missing;
/// then the log says so with a gap mark, or the runner is asked for them again. Several processes may use one folder:
/// an append that meets another process's append fails and can be repeated.
///
/// Nothing is ever removed: the host decides how long it keeps files.
pub struct FileLogStore {
    folder: PathBuf,
    max_bytes: u64,
    writers: Vec<Arc<Mutex<()>>>,
}

impl FileLogStore {
    /// A store in a folder, which is made when it is needed. It keeps `max_bytes` bytes of each log and then a
    /// `truncated` mark; take more than [`JobRules::log_bytes`](crate::model::JobRules::log_bytes), so that the marks of
    /// the runner fit in.
    pub fn new(folder: impl Into<PathBuf>, max_bytes: u64) -> Self {
        let writers = (0..WRITERS).map(|_| Arc::default()).collect();
        FileLogStore { folder: folder.into(), max_bytes, writers }
    }

    fn path(&self, attempt: &AttemptId) -> PathBuf {
        let build = &attempt.build;
        self.folder
            .join(Digest::of(build.account.as_str()).to_string())
            .join(Digest::of(build.project.as_str()).to_string())
            .join(format!("{}.{}.log", build.build, attempt.number))
    }

    fn writer(&self, attempt: &AttemptId) -> Arc<Mutex<()>> {
        let random_end = attempt.build.build.as_uuid().as_bytes()[15];
        Arc::clone(&self.writers[usize::from(random_end) % WRITERS])
    }
}

#[async_trait]
impl LogStore for FileLogStore {
    async fn append(&self, attempt: &AttemptId, from: u64, bytes: &[u8]) -> Result<u64, LogStoreError> {
        let (path, max_bytes, bytes) = (self.path(attempt), self.max_bytes, bytes.to_vec());
        let turn = self.writer(attempt).lock_owned().await;
        blocking(move || {
            let _turn = turn;
            StoredLog::open(&path)?.append(from, &bytes, max_bytes)
        })
        .await
    }

    async fn next_offset(&self, attempt: &AttemptId) -> Result<u64, LogStoreError> {
        let path = self.path(attempt);
        blocking(move || next_offset(&path)).await
    }

    async fn read(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, LogStoreError> {
        let path = self.path(attempt);
        blocking(move || read_log(&path, from, max, false)).await
    }
}

impl fmt::Debug for FileLogStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileLogStore")
            .field("folder", &self.folder)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, LogStoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| LogStoreError(error.into())),
        Err(error) => Err(LogStoreError(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, AttemptNumber, BuildId, BuildKey, ProjectId, Timestamp};

    fn attempt(account: &str, number: u32) -> AttemptId {
        let build = BuildKey {
            account: AccountId::new(account).unwrap(),
            project: ProjectId::new("../../site").unwrap(),
            build: BuildId::new(Timestamp::EPOCH, [7; 10]),
        };
        build.attempt(AttemptNumber::new(number))
    }

    async fn text(store: &FileLogStore, attempt: &AttemptId) -> String {
        String::from_utf8(store.read(attempt, 0, 10_000).await.unwrap().bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn appends_are_idempotent_by_offset_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileLogStore::new(folder.path(), 1_000);
        let attempt = attempt("acme", 1);
        assert_eq!(store.next_offset(&attempt).await.unwrap(), 0);
        assert_eq!(store.append(&attempt, 0, b"hello").await.unwrap(), 5);
        assert_eq!(store.append(&attempt, 0, b"hello").await.unwrap(), 5, "a repetition");
        assert_eq!(store.append(&attempt, 3, b"lo wo").await.unwrap(), 8, "an overlap");
        assert_eq!(store.append(&attempt, 20, b"x\n").await.unwrap(), 22, "a gap");
        let store = FileLogStore::new(folder.path(), 1_000);
        assert_eq!(store.next_offset(&attempt).await.unwrap(), 22);
        assert_eq!(store.append(&attempt, 10, b"known to be lost").await.unwrap(), 26);
        assert_eq!(store.append(&attempt, 99, b"").await.unwrap(), 26, "nothing is no gap");
        assert_eq!(text(&store, &attempt).await, "hello wo\n[netbuild: gap of 12 bytes]\nx\nlost");
    }

    #[tokio::test]
    async fn a_log_is_bounded_with_one_mark() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileLogStore::new(folder.path(), 6);
        let attempt = attempt("acme", 1);
        assert_eq!(store.append(&attempt, 0, b"123456").await.unwrap(), 6);
        assert_eq!(store.append(&attempt, 6, b"78").await.unwrap(), 8);
        let store = FileLogStore::new(folder.path(), 6);
        assert_eq!(store.append(&attempt, 8, b"9").await.unwrap(), 9, "dropped, and known after a restart");
        assert_eq!(store.append(&attempt, 2, b"3").await.unwrap(), 9);
        assert_eq!(text(&store, &attempt).await, "123456\n[netbuild: log truncated after 6 bytes]\n");
    }

    #[tokio::test]
    async fn tenants_and_attempts_have_logs_of_their_own_inside_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileLogStore::new(folder.path(), 1_000);
        for (attempt, bytes) in [(attempt("a", 1), b"1"), (attempt("a", 2), b"2"), (attempt("../a", 1), b"3")] {
            store.append(&attempt, 0, bytes).await.unwrap();
            assert_eq!(text(&store, &attempt).await.as_bytes(), bytes);
            assert!(store.path(&attempt).starts_with(folder.path()));
            assert!(!store.path(&attempt).to_string_lossy().contains("site"));
        }
    }

    #[tokio::test]
    async fn two_writers_of_one_log_make_one_log() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileLogStore::new(folder.path(), 1_000);
        let attempt = attempt("acme", 1);
        let log: Vec<u8> = (b'a'..=b'z').collect();
        let write = async || {
            for from in 0..26 {
                store.append(&attempt, from, &log[usize::try_from(from).unwrap()..]).await.unwrap();
            }
        };
        tokio::join!(write(), write());
        assert_eq!(text(&store, &attempt).await.as_bytes(), log);
    }
}
