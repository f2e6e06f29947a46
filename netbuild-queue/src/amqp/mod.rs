//! [`Queue`](netbuild_core::port::Queue) over RabbitMQ.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use netbuild_core::port::{Queue, SystemClock};
//! use netbuild_queue::amqp::{AmqpOptions, AmqpQueue};
//!
//! let address = "amqp://netbuild:password@mq.example:5672/%2f";
//! let queue = AmqpQueue::open(address, AmqpOptions::default(), Arc::new(SystemClock::new())).await?;
//! println!("{} messages wait", queue.depth().await?.ready);
//! # Ok(())
//! # }
//! ```
//!
//! # What each promise rests on
//! | promise | what it rests on |
//! |---|---|
//! | what is confirmed is kept | a durable quorum queue, persistent messages, and the broker's confirm of each one |
//! | a queue that is gone takes nothing | `mandatory`: a message that came back is a failure, although the broker confirms it, and the queue is made again |
//! | a call ends in time | the deadline of the call. The client would notice a frozen broker after minutes |
//! | acks pass a broker that is short of memory | one connection publishes, another consumes |
//! | a lost connection is made again | all of it, by the same way for whatever broke; receipts of the one before are ignored |
//! | a poison message ends among the dead letters | the adapter counts by `x-delivery-count`. For consumers that die before they count, the broker's own `x-delivery-limit` moves it there, `at-least-once` |
//! | a dead letter is not lost on its way | it is confirmed in `<name>.dead` before it is acked here |
//!
//! # What to know
//! - **Power cuts**: a confirm of RabbitMQ means that most of the queue's nodes have the message. Promise nothing over a power
//!   cut with a single node: use three, on power of their own.
//! - **A new queue** is given nothing in its first two seconds: RabbitMQ 3.10 forgets a queue's name when it is killed right after
//!   it made the queue, with all that it confirmed since.
//! - **Order**: messages are handed out in the order they were published; what was given back comes before the rest.
//! - **Deliveries** are counted by the broker, each time that it gets a message back. So what a consumer had only prefetched
//!   when it died, or lost its connection, counts too; `max_deliveries` has room for that. A consumer that nobody has asked
//!   for `redelivery_after` gives back what it has prefetched, which counts once; it takes nothing before it is asked.
//! - **`nack` with a delay** keeps the message here until then: it goes back sooner when the connection is lost, or when more than
//!   half of the prefetch is kept so.
//! - **`redelivery_after`** is kept by the adapter, which gives back what was not acked: RabbitMQ knows no such time.
//! - **`depth`** does not know what other consumers have: their unacked and prefetched messages are in neither count.
//!   `oldest` is unknown, because a queue's head cannot be seen without taking it. Right after messages were given back it waits,
//!   up to a second, until they are counted.
//! - **Dead letters** are taken and given back to be listed, one at a time; two who look at once
//!   see a part each.
//! - **Batches** are not atomic and there is no dedupe: a batch that broke off is published again, and the ledger knows its ids.
//! - The broker must be RabbitMQ 3.10 or newer, and take messages of
//!   [`MAX_MESSAGE_BYTES`](netbuild_core::port::MAX_MESSAGE_BYTES), as it does by default.

mod address;
mod dead;
mod error;
mod handle;
mod holdings;
mod inbox;
mod keeper;
mod letter;
mod options;
mod publish;
mod queue;
mod session;
mod topology;

pub use error::AmqpError;
pub use lapin;
pub use options::AmqpOptions;
pub use queue::AmqpQueue;
