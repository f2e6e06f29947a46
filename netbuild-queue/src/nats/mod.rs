//! [`Queue`](netbuild_core::port::Queue) over a stream of NATS JetStream.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use netbuild_core::port::{Queue, SystemClock};
//! use netbuild_queue::nats::{NatsOptions, NatsQueue};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = NatsOptions { replicas: 3, open_wait: Duration::from_secs(60), ..NatsOptions::default() };
//! let servers = "nats://nats-0:4222,nats://nats-1:4222,nats://nats-2:4222";
//! let queue = NatsQueue::open(servers, options, Arc::new(SystemClock::new())).await?;
//! let deliveries = queue.receive(512, Duration::from_secs(30)).await?;
//! # drop(deliveries);
//! # Ok(())
//! # }
//! ```
//!
//! # What each promise rests on
//! | promise | rests on | checked |
//! |---|---|---|
//! | Ok is durable through `kill -9` | the server's acknowledgement of each message; file storage; server 2.10.23 or newer | storage and version, at each connection; other servers of a cluster are not seen |
//! | Ok is durable through a power cut | `sync_interval: always` in each server's `jetstream` section | only where [`monitor`](NatsOptions::monitor) is given, of that server, when the queue is opened: no client can ask for it, and the default syncs every two minutes |
//! | Ok is durable through the loss of a server | `replicas: 3` on servers with independent power, each with `sync_interval: always` | the stream's replicas |
//! | nothing is dropped to make room | `discard: new`, no age, no bound by subject | the stream's settings |
//! | handed out until acked | a work queue, a durable pull consumer with explicit acks and no bound on deliveries | the settings of both |
//! | a repeated publish is stored once | message ids, the stream's `duplicate_window` | that there is one; past it the ledger still takes a build once |
//! | dead letters stay | a stream of their own, `<name>-dead`, without a bound; written before the message is acked | its settings |
//!
//! What is missing is made. What is there and cannot keep a promise is refused by an error that names the setting, and not
//! changed. A server older than 2.10.23 is refused unless [`allow_lossy`](NatsOptions::allow_lossy).
//!
//! # Order
//! A batch goes out as a whole, in order, before the first answer is awaited. On one server its messages are stored in that
//! order, and a connection that breaks cuts off its end: a connection that was lost is never used again, so nothing that it
//! still held is sent behind what is repeated on the next one. In a cluster that changes the stream's leader in the middle of
//! a batch, a message can be dropped and a later one stored; the caller is told so, publishes the batch again, and the
//! dropped one comes behind. The same happens where the stream is full: one message is refused, somebody acks, and the one behind it finds room. And
//! messages that come again because they were not acked come behind. The scheduler admits by
//! [`Place`](netbuild_core::model::Place), which puts both right.
//!
//! A batch is not atomic. When some of it may be stored and not all, the error's effect is unknown: publish it again. A full
//! stream is [`Full`](netbuild_core::port::QueueError::Full) when nothing new of the batch was stored. A dead letter that is
//! put back into a full stream stays where it is, and the caller is told the same.
//!
//! # Connection
//! Calls have a deadline. One that went wrong makes the queue ask whether its server still answers for the stream; if not,
//! it goes to the next address: a server that is cut off from its cluster takes connections and answers nothing. Tries go on
//! for as long as it takes, at most 5 s apart; [`connection`](NatsQueue::connection) and the log tell how it goes. Name all
//! servers of a cluster: what they tell of each other is not used.
//!
//! # Depth
//! A message that another process gave back counts as unacked until somebody has it again: the server does not tell the two
//! apart. The age is that of the oldest message that is not acked, to the server's clock.

mod calls;
mod dead;
mod error;
mod fetch;
mod held;
mod link;
mod monitor;
mod options;
mod pipeline;
mod publish;
mod queue;
mod receipt;
mod servers;
mod session;
mod setup;

pub use async_nats;
pub use error::NatsError;
pub use options::NatsOptions;
pub use queue::NatsQueue;
