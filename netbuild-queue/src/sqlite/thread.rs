//! The one thread of a store that talks to SQLite: concurrent callers share a transaction and its commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use netbuild_core::model::Timestamp;
use netbuild_core::port::Clock;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::{Fault, Stop};

/// The most commands in one commit. Bounds how long the first of them waits for the others.
const GROUP: usize = 256;

/// What a command does to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// What the thread is told.
pub(super) enum Order {
    Run(Box<dyn Command>),
    /// Carry out what was sent before, then end.
    Close,
}

/// A call on its way through the thread.
pub(super) trait Command: Send {
    fn access(&self) -> Access;

    /// Whether somebody still waits for it. From then on it counts as begun.
    fn begin(&self) -> bool;

    /// Runs it inside the group's transaction. An error takes its writes back; a fault, and no refusal, is named.
    fn run(&mut self, connection: &Connection, now: Timestamp) -> Result<(), Option<Fault>>;

    /// Answers the caller: with what [`run`](Self::run) found if the commit succeeded, with the fault otherwise.
    fn answer(self: Box<Self>, committed: Result<(), Fault>);
}

/// A [`Command`] made of a function and the place where its caller waits.
pub(super) struct Call<T, E, W> {
    pub(super) access: Access,
    pub(super) begun: Arc<AtomicBool>,
    pub(super) work: Option<W>,
    pub(super) found: Option<Result<T, Stop<E>>>,
    pub(super) caller: oneshot::Sender<Result<T, Stop<E>>>,
}

impl<T, E, W> Command for Call<T, E, W>
where
    T: Send,
    E: Send,
    W: FnOnce(&Connection, Timestamp) -> Result<T, Stop<E>> + Send,
{
    fn access(&self) -> Access {
        self.access
    }

    fn begin(&self) -> bool {
        !self.begun.swap(true, Ordering::AcqRel) && !self.caller.is_closed()
    }

    fn run(&mut self, connection: &Connection, now: Timestamp) -> Result<(), Option<Fault>> {
        self.found = self.work.take().map(|work| work(connection, now));
        match &self.found {
            Some(Err(Stop::Fault(fault))) => Err(Some(fault.clone())),
            Some(Err(Stop::Refused(_))) => Err(None),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), Fault>) {
        let answer = match (self.found, committed) {
            // A refusal stands, whatever became of the others' commit.
            (Some(Err(stop)), _) => Err(stop),
            (Some(found), Ok(())) => found,
            (_, Err(fault)) => Err(Stop::Fault(fault)),
            (None, Ok(())) => Err(Stop::Fault(Fault::Closed { begun: false })),
        };
        // A caller that went away meanwhile needs no answer.
        let _ = self.caller.send(answer);
    }
}

type Group = Vec<Box<dyn Command>>;

/// What the thread owns.
pub(super) struct Worker {
    pub(super) connection: Connection,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) commits: Arc<AtomicU64>,
}

impl Worker {
    /// Carries out orders until all senders are gone or one says close.
    pub(super) fn run(mut self) {
        while let Some(mut group) = self.next_group() {
            while !group.is_empty() {
                group = self.transaction(group);
            }
        }
    }

    /// Waits for an order and takes what else is there.
    fn next_group(&mut self) -> Option<Group> {
        let mut order = Some(self.orders.blocking_recv()?);
        let mut group = Vec::new();
        while let Some(next) = order {
            match next {
                Order::Run(command) => group.push(command),
                Order::Close => self.orders.close(),
            }
            order = if group.len() < GROUP { self.orders.try_recv().ok() } else { None };
        }
        Some(group)
    }

    /// Runs commands in one transaction and answers them. Answers those that are left when SQLite gave it up midway.
    fn transaction(&self, group: Group) -> Group {
        let writes = group.iter().any(|command| command.access() == Access::Write);
        let begin = if writes { "BEGIN IMMEDIATE" } else { "BEGIN DEFERRED" };
        if let Err(error) = self.connection.execute_batch(begin) {
            answer_all(group, &Err(Fault::Sql(Arc::new(error))));
            return Vec::new();
        }
        // After the lock was waited for, and one for all: the time is an argument of what they decide.
        let now = self.clock.now();
        let mut ran = Vec::with_capacity(group.len());
        let mut waiting = group.into_iter();
        for mut command in waiting.by_ref() {
            // Under the lock: a caller whose deadline passed while the lock was waited for knows that nothing is written.
            if !command.begin() {
                continue;
            }
            let done = self.run_alone(command.as_mut(), now);
            ran.push(command);
            if let Err(fault) = done {
                self.roll_back();
                answer_all(ran, &Err(fault));
                return waiting.collect();
            }
        }
        let committed = self.commit();
        if committed.is_ok() && writes {
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
        answer_all(ran, &committed);
        Vec::new()
    }

    /// Runs a command so that it fails alone. An error is one of the whole transaction, which is then lost.
    fn run_alone(&self, command: &mut dyn Command, now: Timestamp) -> Result<(), Fault> {
        self.execute("SAVEPOINT command")?;
        if let Err(fault) = command.run(&self.connection, now) {
            // Fails when SQLite has rolled back everything, as it may on a full disk.
            self.execute("ROLLBACK TO command").map_err(|error| fault.unwrap_or(error))?;
        }
        self.execute("RELEASE command")
    }

    fn commit(&self) -> Result<(), Fault> {
        self.connection.execute_batch("COMMIT").map_err(|error| {
            self.roll_back();
            Fault::of_commit(Arc::new(error))
        })
    }

    fn roll_back(&self) {
        // SQLite may have done it already.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "rollback failed");
        }
    }

    fn execute(&self, sql: &str) -> Result<(), Fault> {
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute([])?;
        Ok(())
    }
}

fn answer_all(group: Group, committed: &Result<(), Fault>) {
    for command in group {
        command.answer(committed.clone());
    }
}
