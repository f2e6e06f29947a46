//! The ports: what netbuild needs from the world, a trait a file, each with its contract in its docs.
//!
//! All are dyn-compatible and held as `Arc<dyn …>`. Every answer is done, refused or *unknown*, by type.

mod attempt_control;
mod clock;
mod error;
mod executor;
mod ledger;
mod log_store;
mod observer;
mod outbox;
mod queue;
mod router;
mod secrets;

pub use attempt_control::{AttemptControl, Heartbeat, NotLeading, Order};
pub use clock::{Clock, SystemClock};
pub use error::{Effect, Source};
pub use executor::{
    Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Listing, LogChunk, Observed, Phase, StartError,
    StartRequest, Started,
};
pub use ledger::{
    Activation, Admission, Batch, BuildQuery, Cursor, Deploy, History, Lead, LeaderLease, Ledger, LedgerError,
};
pub use log_store::{LogStore, LogStoreError};
pub use observer::{NoObserver, Notice, Observer};
pub use outbox::{Backlog, Event, EventKey, MAX_EVENT_KEY_BYTES, Outbox, OutboxError, Recorded};
pub use queue::{Delivery, Depth, Message, Queue, QueueCapabilities, QueueError, Receipt};
pub use router::{FixedRouter, Router};
pub use secrets::{NoSecrets, Secrets, SecretsError};
