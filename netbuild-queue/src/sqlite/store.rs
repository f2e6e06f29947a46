//! The store: one file, opened.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use netbuild_core::model::PublisherId;
use netbuild_core::port::{Clock, OutboxError};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::error::SqliteError;
use super::handle::{Handle, WAITING};
use super::ledger::SqliteLedger;
use super::open::{self, Opened};
use super::options::SqliteOptions;
use super::outbox::SqliteOutbox;
use super::queue::SqliteQueue;
use super::thread::Worker;

/// An open SQLite file with the ports over it. Cheap to clone.
///
/// It has one thread, which ends and is joined when the last clone and the last port of it are dropped, or by
/// [`close`](Self::close). That drop waits until the calls under way are done; in async code `close` is the better way.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    handle: Arc<Handle>,
    torn_bytes: u64,
}

impl SqliteStore {
    /// Opens the file at `path`, or makes it; brings an older schema up to date. The clock dates what is written and ends
    /// leases and waits.
    ///
    /// It reads the whole file once to see that it is not damaged. That takes longer the larger the file is, so there is no
    /// deadline; dropping the future gives up.
    ///
    /// # Errors
    /// [`SqliteError`]: the file cannot be opened or made, is locked, is another application's or a newer netbuild's, is
    /// damaged, or is where SQLite cannot keep its promises. The file is then as it was, or empty if it was not there.
    pub async fn open(
        path: impl AsRef<Path>,
        options: SqliteOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SqliteError> {
        let path = path.as_ref().to_owned();
        let failed = |source| SqliteError::Open { path: path.clone(), source };
        let (orders, receiver) = mpsc::channel(WAITING);
        let (opened, answer) = oneshot::channel();
        let (open_until, ended) = watch::channel(());
        let commits = Arc::new(AtomicU64::new(0));
        let work = {
            let (path, options, commits) = (path.clone(), options.clone(), commits.clone());
            move || {
                let found = open::locate(&path).and_then(|path| Ok((open::open(&path, &options)?, path)));
                match found {
                    // When nobody waits any more, the connection goes and closes the file.
                    Ok((Opened { connection, torn_bytes }, path)) => {
                        if opened.send(Ok((path, torn_bytes))).is_ok() {
                            Worker { connection, clock, orders: receiver, commits }.run();
                        }
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
                drop(open_until);
            }
        };
        let thread = thread::Builder::new().name("netbuild-sqlite".to_owned()).spawn(work);
        let thread = Mutex::new(Some(thread.map_err(|error| failed(Arc::new(error)))?));
        let (path, torn_bytes) = answer.await.map_err(|error| failed(Arc::new(error)))??;
        let queue_changed = Notify::new();
        let handle = Handle { path, options, orders, commits, queue_changed, ended, thread };
        Ok(SqliteStore { handle: Arc::new(handle), torn_bytes })
    }

    /// How many bytes of a commit that was under way at a crash were dropped when the file was opened. Nothing of them was
    /// ever answered with Ok: every accepted event is there.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// The outbox of a publisher. Processes that share the file and name the same publisher share one order.
    ///
    /// The publisher's epoch is made when it is first named for this file: the time in milliseconds, so that it grows
    /// when a publisher starts over with a new file.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn outbox(&self, publisher: PublisherId) -> Result<SqliteOutbox, OutboxError> {
        SqliteOutbox::new(self.handle.clone(), publisher).await
    }

    /// The queue.
    pub fn queue(&self) -> SqliteQueue {
        SqliteQueue::new(self.handle.clone())
    }

    /// The ledger.
    pub fn ledger(&self) -> SqliteLedger {
        SqliteLedger::new(self.handle.clone())
    }

    /// How many transactions this store has committed that could write. Concurrent calls share one, so it grows slower
    /// than the number of calls.
    pub fn commits(&self) -> u64 {
        self.handle.commits.load(Ordering::Relaxed)
    }

    /// Carries out the calls that were made before, closes the file and ends the thread. Calls after it, of ports that are
    /// still there too, are refused.
    pub async fn close(self) {
        self.handle.close().await;
    }
}
