//! The port's implementation.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::ConnectOptions;
use async_trait::async_trait;
use futures_util::future::try_join3;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{
    Clock, DeadLetter, DeadLetterId, DeadLetters, DeadReason, Delivery, Depth, Message, Queue, QueueCapabilities,
    QueueError, Receipt,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::calls::{ack, nack};
use super::dead;
use super::error::{NatsError, unavailable};
use super::held::Held;
use super::link::Link;
use super::monitor;
use super::options::NatsOptions;
use super::publish::Item;
use super::servers::{Connect, Servers};
use super::session::failed;
use super::setup::CONSUMER;
use crate::bounds::bounded;
use crate::connection::ConnectionState;

/// Between two tries of a receive that waits.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// A queue in a stream of NATS JetStream. Cheap to clone; the connection ends with the last clone.
#[derive(Clone)]
pub struct NatsQueue {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) options: NatsOptions,
    pub(super) link: Link,
    pub(super) held: Mutex<Held>,
    pub(super) clock: Arc<dyn Clock>,
}

impl fmt::Debug for NatsQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsQueue").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl NatsQueue {
    /// Opens the queue on the servers at `addresses`, `nats://user:password@host:port`, with commas between those of a
    /// cluster; makes its streams and its consumer when they are not there. Without TLS, unless an address begins with
    /// `tls://`.
    ///
    /// The clock dates for [`connection`](Self::connection) when the servers were lost, and counts how long a receipt is
    /// good; every other time is the server's.
    ///
    /// # Errors
    /// [`NatsError`]: no server can be reached within [`open_wait`](NatsOptions::open_wait), or one refuses the user, is too
    /// old, syncs too late as its monitoring shows, or has a stream or a consumer that cannot keep the promises.
    pub async fn open(addresses: &str, options: NatsOptions, clock: Arc<dyn Clock>) -> Result<Self, NatsError> {
        Self::open_with(addresses, options, clock, ConnectOptions::new).await
    }

    /// As [`open`](Self::open), with the client's own options for each connection: credentials, certificates, a name. What
    /// the queue needs for itself it sets: deadlines, reconnecting, events.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(
        addresses: &str,
        options: NatsOptions,
        clock: Arc<dyn Clock>,
        connect: impl Fn() -> ConnectOptions + Send + Sync + 'static,
    ) -> Result<Self, NatsError> {
        if !options.has_plain_name() {
            return Err(NatsError::Name(options.stream));
        }
        let options = options.bounded();
        let connect: Connect = Arc::new(connect);
        let servers = Servers::parse(addresses, connect)?;
        let link = Link::open(servers, options.clone(), clock.clone()).await?;
        see_that_it_syncs(&options).await?;
        Ok(NatsQueue { shared: Arc::new(Shared { options, link, held: Mutex::default(), clock }) })
    }

    /// Whether there is a connection, as seen by the queue, which looks every five seconds and when a call fails.
    pub fn connection(&self) -> watch::Receiver<ConnectionState> {
        self.shared.link.state.clone()
    }
}

/// A warning, when the server cannot be asked or may lose what it confirms and is allowed to.
async fn see_that_it_syncs(options: &NatsOptions) -> Result<(), NatsError> {
    let Some(monitor) = options.monitor else {
        tracing::warn!(
            "whether NATS syncs what it confirms is not known: set sync_interval: always in its jetstream section, and the \
             option monitor to see it checked"
        );
        return Ok(());
    };
    match monitor::syncs_always(monitor, options.call_deadline).await? {
        true => Ok(()),
        false if options.allow_lossy => {
            tracing::warn!(%monitor, "this server syncs after it confirmed: a power cut loses messages");
            Ok(())
        }
        false => Err(NatsError::NotSynced { monitor }),
    }
}

#[async_trait]
impl Queue for NatsQueue {
    fn capabilities(&self) -> QueueCapabilities {
        let options = &self.shared.options;
        // Without a connection, what was asked for is the best guess.
        let session = self.shared.link.session().ok();
        let window = session.as_ref().map(|session| session.queue.cached_info().config.duplicate_window);
        QueueCapabilities {
            atomic_batch: false,
            dedupe_window: Some(window.unwrap_or(options.dedupe_window)),
            durable: true,
            redelivery_after: session.map_or(options.redelivery_after, |session| session.redelivery_after),
            max_deliveries: options.max_deliveries,
        }
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
        let session = self.session()?;
        let item = |message: &Message| Item {
            id: message.build.id.to_string(),
            body: message.to_wire().into(),
            headers: async_nats::HeaderMap::new(),
        };
        self.store(&session, batch.iter().map(item).collect()).await.map(drop)
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let until = Instant::now() + bounded(wait);
        if max == 0 {
            return Ok(Vec::new());
        }
        loop {
            let session = self.shared.link.session_until(until).await.map_err(unavailable)?;
            let rest = until.saturating_duration_since(Instant::now());
            let arrivals = match session.fetch(max, rest, self.shared.options.call_deadline).await {
                Ok(arrivals) if arrivals.is_empty() => return Ok(Vec::new()),
                Ok(arrivals) => arrivals,
                // Who waits may as well wait for this to pass: a consumer that gets another leader, a connection.
                Err(_) if Instant::now() + TRY_AGAIN < until => {
                    sleep(TRY_AGAIN).await;
                    continue;
                }
                Err(error) => return Err(unavailable(error)),
            };
            let deliveries = self.sort(&session, arrivals).await;
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
        }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let session = self.session()?;
        let held = self.held_of(receipts);
        let answers = held.into_iter().map(|(name, subject)| (name, ack(subject))).collect();
        for name in self.answer(&session, answers).await? {
            self.held().forget(name);
        }
        Ok(())
    }

    async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError> {
        let session = self.session()?;
        let (after, held) = (bounded(after), self.held_of(receipts));
        let answers = held.into_iter().map(|(name, subject)| (name, nack(subject, after))).collect();
        let until = self.shared.clock.monotonic() + after + session.redelivery_after;
        for name in self.answer(&session, answers).await? {
            self.held().give_back(name, until);
        }
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        const DOING: &str = "tell its depth";
        let session = self.session()?;
        let server = &session.server;
        let infos = async {
            let queue = async { session.queue.get_info().await.map_err(|error| failed(server, DOING, &error)) };
            let dead = async { session.dead.get_info().await.map_err(|error| failed(server, DOING, &error)) };
            let consumer = session.queue.consumer_info(CONSUMER);
            let consumer = async { consumer.await.map_err(|error| failed(server, DOING, &error)) };
            try_join3(queue, dead, consumer).await
        };
        let (queue, dead, consumer) = self.look(&session, infos).await?;
        let pending = consumer.num_ack_pending as u64;
        let given_back = self.held().given_back(self.shared.clock.monotonic()).min(pending);
        let oldest = (queue.state.messages > 0).then(|| {
            let millis = queue.state.first_timestamp.unix_timestamp_nanos() / 1_000_000;
            Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
        });
        let (ready, unacked) = (consumer.num_pending + given_back, pending - given_back);
        Ok(Depth { ready, unacked, oldest, dead: dead.state.messages })
    }
}

#[async_trait]
impl DeadLetters for NatsQueue {
    async fn bury(&self, receipts: &[Receipt], reason: &str) -> Result<(), QueueError> {
        let session = self.session()?;
        let reason = DeadReason::Buried(reason.to_owned());
        let mut dead = Vec::new();
        for (name, subject) in self.held_of(receipts) {
            if let Some(body) = self.look(&session, session.body(name)).await? {
                let letter = dead::letter(name, name.deliveries, body, &reason);
                dead.push((name, Receipt(subject.to_string()), letter));
            }
        }
        self.bury_all(&session, dead).await
    }

    async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let session = self.session()?;
        let letters = self.look(&session, session.letters(max)).await?;
        Ok(letters.iter().map(dead::Stored::show).collect())
    }

    async fn redrive(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        let session = self.session()?;
        let mut back = 0;
        for id in ids {
            let Some(letter) = self.look(&session, session.letter(id)).await? else { continue };
            self.store(&session, vec![dead::back(&letter)]).await?;
            back += self.remove(&session, &letter).await?;
        }
        Ok(back)
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        let session = self.session()?;
        let mut gone = 0;
        for id in ids {
            let Some(letter) = self.look(&session, session.letter(id)).await? else { continue };
            gone += self.remove(&session, &letter).await?;
        }
        Ok(gone)
    }
}
