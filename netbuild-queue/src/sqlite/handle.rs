//! The callers' side of a store's thread: calls with a deadline.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use netbuild_core::model::Timestamp;
use rusqlite::Connection;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::error::{Fault, Meaning, Stop, Told};
use super::options::SqliteOptions;
use super::thread::{Access, Call, Order};

/// The most calls that wait for the thread; more wait for a place, each until its deadline.
pub(super) const WAITING: usize = 1024;

/// What a store and all its ports share. The last one to go ends the thread.
pub(super) struct Handle {
    pub(super) path: PathBuf,
    pub(super) options: SqliteOptions,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) commits: Arc<AtomicU64>,
    /// Told when messages were published or given back here.
    pub(super) queue_changed: Notify,
    /// Its sender goes when the file is closed.
    pub(super) ended: watch::Receiver<()>,
    pub(super) thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    /// Runs `work` in a transaction that only reads.
    pub(super) async fn read<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Told> + Send + 'static,
        W: FnOnce(&Connection, Timestamp) -> Result<T, Stop<E>> + Send + 'static,
    {
        self.call(Access::Read, work).await
    }

    /// Runs `work` in a transaction and answers once that is committed. An error takes back all that `work` did.
    pub(super) async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Told> + Send + 'static,
        W: FnOnce(&Connection, Timestamp) -> Result<T, Stop<E>> + Send + 'static,
    {
        self.call(Access::Write, work).await
    }

    async fn call<T, E, W>(&self, access: Access, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Told> + Send + 'static,
        W: FnOnce(&Connection, Timestamp) -> Result<T, Stop<E>> + Send + 'static,
    {
        let begun = Arc::new(AtomicBool::new(false));
        let (caller, answer) = oneshot::channel();
        let call = Call { access, begun: begun.clone(), work: Some(work), found: None, caller };
        let exchange = async {
            // When the thread is gone, either of the two tells.
            let _ = self.orders.send(Order::Run(Box::new(call))).await;
            answer.await
        };
        let stop = match timeout(self.options.call_deadline, exchange).await {
            Ok(Ok(Ok(found))) => return Ok(found),
            Ok(Ok(Err(stop))) => stop,
            Ok(Err(_)) => Stop::Fault(Fault::Closed { begun: begun.load(Ordering::Acquire) }),
            // Whoever sets the mark first decides: past here the thread does not begin it any more.
            Err(_) => Stop::Fault(Fault::Deadline { begun: begun.swap(true, Ordering::AcqRel) }),
        };
        Err(match stop {
            Stop::Refused(error) => error,
            Stop::Fault(fault) => self.told(access, fault).into(),
        })
    }

    fn told(&self, access: Access, fault: Fault) -> Told {
        let meaning = match (fault.meaning(), access) {
            (Meaning::MaybeWritten, Access::Read) => Meaning::NothingWritten,
            (meaning, _) => meaning,
        };
        Told { meaning, error: fault.explain(&self.path, &self.options) }
    }

    /// Ends the thread after what was called before, and waits until the file is closed.
    pub(super) async fn close(&self) {
        // When that fails the thread has ended.
        let _ = self.orders.send(Order::Close).await;
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
        self.join();
    }

    fn join(&self) {
        let thread = self.thread.lock().expect("nothing panics while it holds this lock").take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(path = %self.path.display(), "the thread of the store panicked");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Without a sender the thread ends.
        self.orders = mpsc::channel(1).0;
        self.join();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("path", &self.path).field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use netbuild_core::port::{Effect, LedgerError};
    use tokio::join;
    use tokio::time::sleep;

    use super::super::thread::Command;
    use super::*;

    /// A handle whose thread is played by the test.
    fn handle() -> (Handle, mpsc::Receiver<Order>) {
        let (orders, receiver) = mpsc::channel(WAITING);
        let handle = Handle {
            path: PathBuf::from("/data/netbuild.db"),
            options: SqliteOptions::default(),
            orders,
            commits: Arc::default(),
            queue_changed: Notify::new(),
            ended: watch::channel(()).1,
            thread: Mutex::new(None),
        };
        (handle, receiver)
    }

    async fn next(receiver: &mut mpsc::Receiver<Order>) -> Box<dyn Command> {
        match receiver.recv().await {
            Some(Order::Run(command)) => command,
            _ => panic!("a call was sent"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn past_the_deadline_only_a_write_that_was_begun_is_unknown() {
        for (access, is_begun, expected) in [
            (Access::Write, false, Effect::None),
            (Access::Write, true, Effect::Unknown),
            (Access::Read, false, Effect::None),
            (Access::Read, true, Effect::None),
        ] {
            let (handle, mut receiver) = handle();
            let call = handle.call(access, |_, _| Ok::<_, Stop<LedgerError>>(()));
            let thread = async {
                let command = next(&mut receiver).await;
                assert!(!is_begun || command.begin());
                sleep(handle.options.call_deadline * 2).await;
                assert!(!command.begin(), "what was given up is not begun later");
            };
            let (answer, ()) = join!(call, thread);
            assert_eq!(answer.unwrap_err().effect(), expected, "{access:?}, begun: {is_begun}");
        }
    }

    #[tokio::test]
    async fn of_a_thread_that_died_only_a_write_that_was_begun_is_unknown() {
        for (is_begun, expected) in [(false, Effect::None), (true, Effect::Unknown)] {
            let (handle, mut receiver) = handle();
            let call = handle.write(|_, _| Ok::<_, Stop<LedgerError>>(()));
            let thread = async {
                let command = next(&mut receiver).await;
                assert!(!is_begun || command.begin());
            };
            let (answer, ()) = join!(call, thread);
            assert_eq!(answer.unwrap_err().effect(), expected, "begun: {is_begun}");
        }
    }

    #[tokio::test]
    async fn a_call_whose_caller_went_away_is_not_begun() {
        let (handle, mut receiver) = handle();
        let mut call = Box::pin(handle.write(|_, _| Ok::<_, Stop<LedgerError>>(())));
        let command = tokio::select! {
            biased;
            _ = &mut call => panic!("nobody answers"),
            command = next(&mut receiver) => command,
        };
        drop(call);
        assert!(!command.begin());
    }
}
