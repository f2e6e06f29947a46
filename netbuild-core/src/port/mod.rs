//! The ports: what netbuild needs from the world, a trait a file, each with its contract in its docs.
//!
//! All are dyn-compatible and held as `Arc<dyn …>`. Every answer is done, refused or *unknown*, by type.

mod attempt_control;
mod clock;
mod dead_letters;
mod error;
mod executor;
mod ledger;
mod log_store;
mod message;
mod observer;
mod outbox;
mod queue;
mod router;
mod secrets;

pub use attempt_control::{AttemptControl, Heartbeat, NotLeading, Order};
pub use clock::{Clock, SystemClock};
pub use dead_letters::{DeadBody, DeadLetter, DeadLetterId, DeadLetters, DeadReason, MAX_REASON_BYTES, bounded_reason};
pub use error::{Effect, Source};
pub use executor::{
    Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Listing, LogChunk, Observed, Phase, StartError,
    StartRequest, Started,
};
pub use ledger::{
    Activation, Admission, Batch, BuildQuery, Cursor, Deploy, History, Lead, LeaderLease, Ledger, LedgerError,
};
pub use log_store::{LogStore, LogStoreError};
pub use message::{MAX_MESSAGE_BYTES, Message, UnreadableMessage};
pub use observer::{NoObserver, Notice, Observer};
pub use outbox::{Backlog, Event, EventKey, MAX_BUILD_BYTES, MAX_EVENT_KEY_BYTES, Outbox, OutboxError, Recorded};
pub use queue::{Delivery, Depth, Queue, QueueCapabilities, QueueError, Receipt};
pub use router::{FixedRouter, Router};
pub use secrets::{NoSecrets, Secrets, SecretsError};
