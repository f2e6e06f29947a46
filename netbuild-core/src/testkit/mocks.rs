//! Mocks of the ports, made with [`mockall`]: for tests that pin which calls are made, and with which arguments.
//!
//! A store in memory or a scripted fake says more about a whole; a mock is for one exact call or failure. A call that
//! was not expected panics.
//!
//! ```
//! use netbuild_core::port::{Depth, Queue};
//! use netbuild_core::testkit::mocks::MockQueue;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut queue = MockQueue::new();
//! queue.expect_depth().times(1).returning(|| Ok(Depth { ready: 3, ..Depth::default() }));
//! assert_eq!(queue.depth().await.unwrap().ready, 3);
//! # }
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use mockall::mock;
use secrecy::SecretString;

use crate::model::{
    AccountId, AttemptId, Build, BuildKey, BuildRecord, DeployContext, ExecutorName, HolderId, LeaderEpoch, NameKey,
    ProjectId, PublisherId, Rank, Report, Route, SecretRef, Timestamp,
};
use crate::port::{
    Activation, Admission, AttemptControl, Backlog, Batch, BuildQuery, Cursor, DeadLetter, DeadLetterId, DeadLetters,
    Delivery, Deploy, Depth, Event, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Heartbeat, History,
    Lead, LeaderLease, Ledger, LedgerError, Listing, LogChunk, LogStore, LogStoreError, Message, NotLeading, Notice,
    Observer, Order, Outbox, OutboxError, Queue, QueueCapabilities, QueueError, Receipt, Recorded, Router, Secrets,
    SecretsError, StartError, StartRequest, Started,
};

mock! {
    /// A mock of [`Queue`], with [`DeadLetters`].
    #[derive(Debug)]
    pub Queue {}

    #[async_trait]
    impl DeadLetters for Queue {
        async fn bury(&self, receipts: &[Receipt], reason: &str) -> Result<(), QueueError>;
        async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError>;
        async fn redrive(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError>;
        async fn discard(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError>;
    }

    #[async_trait]
    impl Queue for Queue {
        fn capabilities(&self) -> QueueCapabilities;
        async fn publish(&self, batch: &[Message]) -> Result<(), QueueError>;
        async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError>;
        async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError>;
        async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError>;
        async fn depth(&self) -> Result<Depth, QueueError>;
    }
}

mock! {
    /// A mock of [`Outbox`]. `publisher` can only answer with a publisher that lives for ever (`Box::leak`).
    #[derive(Debug)]
    pub Outbox {}

    #[async_trait]
    impl Outbox for Outbox {
        fn publisher<'a>(&'a self) -> (&'a PublisherId, u64);
        async fn record(&self, batch: &[Event]) -> Result<Vec<Recorded>, OutboxError>;
        async fn pending(&self, after: u64, max: usize) -> Result<Vec<Message>, OutboxError>;
        async fn published(&self, seq: u64) -> Result<(), OutboxError>;
        async fn backlog(&self) -> Result<Backlog, OutboxError>;
    }
}

mock! {
    /// A mock of [`Ledger`], with [`LeaderLease`] and [`History`].
    #[derive(Debug)]
    pub Ledger {}

    #[async_trait]
    impl LeaderLease for Ledger {
        async fn lead(&self, holder: &HolderId, ttl: Duration) -> Result<Lead, LedgerError>;
        async fn resign(&self, epoch: LeaderEpoch) -> Result<(), LedgerError>;
    }

    #[async_trait]
    impl History for Ledger {
        async fn build(&self, key: &BuildKey) -> Result<Option<BuildRecord>, LedgerError>;
        async fn builds(&self, query: &BuildQuery) -> Result<Vec<BuildRecord>, LedgerError>;
        async fn deploys(
            &self,
            account: &AccountId,
            project: &ProjectId,
            context: &DeployContext,
        ) -> Result<Vec<Deploy>, LedgerError>;
        async fn reactivate(&self, key: &BuildKey) -> Result<(), LedgerError>;
    }

    #[async_trait]
    impl Ledger for Ledger {
        async fn name_key(&self) -> Result<NameKey, LedgerError>;
        async fn cursors(&self) -> Result<Vec<Cursor>, LedgerError>;
        async fn open_builds(&self, after: Rank, max: usize) -> Result<Vec<BuildRecord>, LedgerError>;
        async fn admit(&self, epoch: LeaderEpoch, batch: &[Message]) -> Result<Vec<Admission>, LedgerError>;
        async fn append(&self, batch: &Batch) -> Result<(), LedgerError>;
        async fn activate(&self, epoch: LeaderEpoch, attempt: &AttemptId) -> Result<Activation, LedgerError>;
    }
}

mock! {
    /// A mock of [`Executor`].
    #[derive(Debug)]
    pub Executor {}

    #[async_trait]
    impl Executor for Executor {
        fn capabilities(&self) -> ExecutorCapabilities;
        async fn start(&self, request: &StartRequest) -> Result<Started, StartError>;
        async fn cancel(&self, attempt: &AttemptId, grace: Duration) -> Result<(), ExecutorError>;
        async fn list(&self) -> Result<Listing, ExecutorError>;
        async fn events(&self) -> Result<BoxStream<'static, ExecutorEvent>, ExecutorError>;
        async fn logs(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, ExecutorError>;
        async fn remove(&self, attempt: &AttemptId) -> Result<(), ExecutorError>;
    }
}

mock! {
    /// A mock of [`LogStore`].
    #[derive(Debug)]
    pub LogStore {}

    #[async_trait]
    impl LogStore for LogStore {
        async fn append(&self, attempt: &AttemptId, from: u64, bytes: &[u8]) -> Result<u64, LogStoreError>;
        async fn next_offset(&self, attempt: &AttemptId) -> Result<u64, LogStoreError>;
        async fn read(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, LogStoreError>;
    }
}

mock! {
    /// A mock of [`AttemptControl`].
    #[derive(Debug)]
    pub AttemptControl {}

    #[async_trait]
    impl AttemptControl for AttemptControl {
        async fn heartbeat(&self, attempt: &AttemptId, beat: Heartbeat) -> Result<Order, NotLeading>;
        async fn report(&self, attempt: &AttemptId, report: Report) -> Result<(), NotLeading>;
        async fn is_live(&self, attempt: &AttemptId) -> Result<bool, NotLeading>;
    }
}

mock! {
    /// A mock of [`Secrets`].
    #[derive(Debug)]
    pub Secrets {}

    #[async_trait]
    impl Secrets for Secrets {
        async fn resolve(&self, build: &Build) -> Result<BTreeMap<String, SecretString>, SecretsError>;
        async fn credential(&self, build: &Build, reference: &SecretRef) -> Result<SecretString, SecretsError>;
    }
}

mock! {
    /// A mock of [`Router`].
    #[derive(Debug)]
    pub Router {}

    impl Router for Router {
        fn version(&self) -> u64;
        fn route(&self, build: &Build, avoid: &[ExecutorName]) -> Route;
    }
}

mock! {
    /// A mock of [`Observer`].
    #[derive(Debug)]
    pub Observer {}

    impl Observer for Observer {
        fn notice(&self, notice: &Notice, at: Timestamp);
    }
}
