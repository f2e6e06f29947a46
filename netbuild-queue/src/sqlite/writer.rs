//! The thread that owns the connection: callers that come at the same time share one commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::Failure;

/// The most commands in one commit.
const GROUP: usize = 256;

/// Commands that wait for the thread; past it callers wait.
const WAITING: usize = 1_024;

/// A command: runs inside the transaction, and answers after its end. Without a connection it is not carried out.
type Command = Box<dyn FnOnce(Option<&mut Connection>) -> Answer + Send>;

/// Sends a command's result, once it is known how the transaction ended.
type Answer = Box<dyn FnOnce(&Result<(), Ended>) + Send>;

/// How a transaction failed that the command itself had no part in.
struct Ended {
    text: String,
    may_be_written: bool,
}

/// The way to the thread. The thread ends when the last one of it is dropped.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    commands: mpsc::Sender<Command>,
    commits: Arc<AtomicU64>,
    _thread: Arc<Thread>,
}

#[derive(Debug)]
struct Thread(Option<JoinHandle<()>>);

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (commands, receiver) = mpsc::channel(WAITING);
        let commits = Arc::new(AtomicU64::new(0));
        let counter = commits.clone();
        let name = "netbuild-sqlite".to_owned();
        let handle = std::thread::Builder::new().name(name).spawn(move || serve(connection, receiver, &counter))?;
        Ok(Writer { commands, commits, _thread: Arc::new(Thread(Some(handle))) })
    }

    /// How many transactions were committed.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Runs a command in a transaction, together with others that wait. What it refuses is undone without the others.
    pub(super) async fn run<T, R>(
        &self,
        command: impl FnOnce(&Connection) -> Result<T, Failure<R>> + Send + 'static,
    ) -> Result<T, Failure<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command: Command = Box::new(move |connection| {
            let not_begun = || Failure::Unavailable("no transaction could be begun".into());
            let result = connection.ok_or_else(not_begun).and_then(|connection| in_savepoint(connection, command));
            Box::new(move |ended| {
                let result = match (result, ended) {
                    (Ok(_), Err(Ended { text, may_be_written: true })) => Err(Failure::Unknown(text.clone().into())),
                    (Ok(_), Err(Ended { text, .. })) => Err(Failure::Unavailable(text.clone().into())),
                    (result, _) => result,
                };
                // The caller may have gone away; then nobody needs the answer.
                drop(reply.send(result));
            })
        });
        let gone = || Failure::Unavailable("the store's thread has ended".into());
        self.commands.send(command).await.map_err(|_| gone())?;
        answer.await.map_err(|_| Failure::Unknown("the store's thread has ended".into()))?
    }
}

impl Drop for Thread {
    /// Waits for the thread, so that the file is closed when the last handle is gone. Each [`Writer`] drops its sender
    /// before its share of the thread, so the thread has nothing to wait for any more.
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            // A panic of the thread was told to its callers.
            drop(handle.join());
        }
    }
}

fn serve(mut connection: Connection, mut commands: mpsc::Receiver<Command>, commits: &AtomicU64) {
    while let Some(first) = commands.blocking_recv() {
        let mut answers = Vec::new();
        let ended = group(&mut connection, first, &mut commands, &mut answers);
        if ended.is_ok() {
            commits.fetch_add(1, Ordering::Relaxed);
        }
        answers.into_iter().for_each(|answer| answer(&ended));
    }
}

/// One transaction for the first command and all that wait behind it.
fn group(
    connection: &mut Connection,
    first: Command,
    commands: &mut mpsc::Receiver<Command>,
    answers: &mut Vec<Answer>,
) -> Result<(), Ended> {
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        answers.push(first(None));
        return Err(Ended { text: error.to_string(), may_be_written: false });
    }
    answers.push(first(Some(connection)));
    while answers.len() < GROUP && !connection.is_autocommit() {
        let Ok(command) = commands.try_recv() else { break };
        answers.push(command(Some(connection)));
    }
    // A full disk and some other errors end the whole transaction at once.
    if connection.is_autocommit() {
        let text = "the transaction was rolled back, as a full disk does it".to_owned();
        return Err(Ended { text, may_be_written: false });
    }
    match connection.execute_batch("COMMIT") {
        Ok(()) => Ok(()),
        Err(error) => {
            // A commit that failed and can be rolled back is certainly not written; else the journal decides at the next
            // start.
            let rolled_back = !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_ok();
            Err(Ended { text: error.to_string(), may_be_written: !rolled_back })
        }
    }
}

fn in_savepoint<T, R>(
    connection: &mut Connection,
    command: impl FnOnce(&Connection) -> Result<T, Failure<R>>,
) -> Result<T, Failure<R>> {
    let savepoint = connection.savepoint()?;
    let value = command(&savepoint)?;
    savepoint.commit()?;
    Ok(value)
}
