//! The port's implementation.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_nats::ConnectOptions;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join3;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{
    Clock, DeadLetter, DeadLetterId, DeadLetters, DeadReason, Delivery, Depth, Message, Queue, QueueCapabilities,
    QueueError, Receipt,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::dead;
use super::error::{NatsError, unavailable, unknown};
use super::fetch::Arrival;
use super::held::Held;
use super::link::Link;
use super::monitor;
use super::options::NatsOptions;
use super::pipeline::{Answer, Ask};
use super::publish::{Fate, Item, Verdict, verdict};
use super::receipt::{self, DeliveryName};
use super::servers::{Connect, Servers};
use super::session::{Session, failed};
use super::setup::CONSUMER;
use crate::connection::ConnectionState;

/// Between two tries of a receive that waits.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// How many times the time of redelivery a delivery is remembered: a caller that answers later than that is not heard.
const REMEMBERED: u32 = 10;

/// A queue in a stream of NATS JetStream. Cheap to clone; the connection ends with the last clone.
#[derive(Clone)]
pub struct NatsQueue {
    shared: Arc<Shared>,
}

struct Shared {
    options: NatsOptions,
    link: Link,
    held: Mutex<Held>,
    clock: Arc<dyn Clock>,
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

    fn session(&self) -> Result<Arc<Session>, QueueError> {
        self.shared.link.session().map_err(unavailable)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.shared.held.lock().expect("nothing panics while it holds this lock")
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.shared.options.call_deadline
    }

    /// Carries out a call that changes nothing.
    async fn look<T>(
        &self,
        session: &Session,
        call: impl Future<Output = Result<T, NatsError>>,
    ) -> Result<T, QueueError> {
        let after = self.shared.options.call_deadline;
        let late = |_| Err(NatsError::Deadline { server: session.server.clone(), after });
        let answer = timeout_at(self.deadline(), call).await.unwrap_or_else(late);
        answer.map_err(|error| {
            session.doubt();
            unavailable(error)
        })
    }

    /// Stores messages in the queue.
    async fn store(&self, session: &Session, items: Vec<Item>) -> Result<Vec<Fate>, QueueError> {
        let fates = session.store(&self.shared.options.stream, items, self.deadline()).await;
        self.judge(session, &fates, "store messages")?;
        Ok(fates)
    }

    /// What the fates of a batch mean to the caller.
    fn judge(&self, session: &Session, fates: &[Fate], doing: &'static str) -> Result<(), QueueError> {
        let server = session.server.clone();
        match verdict(fates) {
            Verdict::Stored => Ok(()),
            Verdict::Full => {
                let limit = u64::try_from(session.queue.cached_info().config.max_messages);
                Err(QueueError::Full { limit: limit.unwrap_or(u64::MAX) })
            }
            Verdict::Refused(said) => {
                session.doubt();
                Err(unavailable(NatsError::Failed { server, doing, said }))
            }
            Verdict::Unknown(said) => {
                session.doubt();
                Err(unknown(NatsError::Failed { server, doing, said }))
            }
        }
    }

    /// Answers deliveries that callers hold, and hears that the server took it.
    async fn answer(
        &self,
        session: &Session,
        answers: Vec<(DeliveryName, Ask)>,
    ) -> Result<Vec<DeliveryName>, QueueError> {
        let (names, asks): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        let answers = session.ask_all(asks, self.deadline()).await;
        if answers.iter().all(|answer| matches!(answer, Answer::Came(_))) {
            return Ok(names);
        }
        session.doubt();
        let server = session.server.clone();
        let error =
            NatsError::Failed { server, doing: "take an answer to a delivery", said: "nothing came".to_owned() };
        let none_taken = answers.iter().all(|answer| matches!(answer, Answer::NotTaken));
        Err(if none_taken { unavailable(error) } else { unknown(error) })
    }

    /// The deliveries that callers hold, among these receipts.
    fn held_of(&self, receipts: &[Receipt]) -> Vec<(DeliveryName, async_nats::Subject)> {
        let held = self.held();
        receipts.iter().filter_map(receipt::parse).filter(|(name, _)| held.has(*name)).collect()
    }

    /// Makes dead letters of deliveries, and acks them. A crash between leaves them in both places.
    async fn bury_all(&self, session: &Session, dead: Vec<(DeliveryName, Receipt, Item)>) -> Result<(), QueueError> {
        if dead.is_empty() {
            return Ok(());
        }
        let (acks, items): (Vec<_>, Vec<_>) =
            dead.into_iter().map(|(name, receipt, item)| ((name, ack(receipt.0.as_str().into())), item)).unzip();
        let fates = session.store(&self.shared.options.dead_stream(), items, self.deadline()).await;
        self.judge(session, &fates, "store dead letters")?;
        for name in self.answer(session, acks).await? {
            self.held().forget(name);
        }
        Ok(())
    }

    /// Keeps what can be handed out, and buries the rest.
    async fn sort(&self, session: &Session, arrivals: Vec<Arrival>) -> Vec<Delivery> {
        let now = self.shared.clock.monotonic();
        let (mut deliveries, mut dead) = (Vec::with_capacity(arrivals.len()), Vec::new());
        for Arrival { name, receipt, body } in arrivals {
            let reason = match Message::from_wire(&body) {
                Ok(message) => match self.shared.options.max_deliveries {
                    Some(most) if name.deliveries > u64::from(most) => DeadReason::TooManyDeliveries,
                    _ => {
                        self.held().hand_out(name, now, now + REMEMBERED * session.redelivery_after);
                        let times = u32::try_from(name.deliveries).unwrap_or(u32::MAX);
                        deliveries.push(Delivery { message, receipt, deliveries: times });
                        continue;
                    }
                },
                Err(error) => DeadReason::Unreadable(error.to_string()),
            };
            tracing::error!(stream = self.shared.options.stream, sequence = name.sequence, ?reason, "a dead letter");
            // This delivery was no hand-out.
            let letter = dead::letter(name, name.deliveries - 1, body, &reason);
            dead.push((name, receipt, letter));
        }
        if let Err(error) = self.bury_all(session, dead).await {
            tracing::error!(error = %error, "messages that cannot be handed out are still in the queue");
        }
        deliveries
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

/// The answer that a message is done with.
fn ack(subject: async_nats::Subject) -> Ask {
    Ask { subject, headers: None, body: Bytes::from_static(b"+ACK") }
}

/// The answer that a message is to be delivered again after a time.
fn nack(subject: async_nats::Subject, after: Duration) -> Ask {
    let body = match after.is_zero() {
        true => "-NAK".to_owned(),
        false => format!("-NAK {{\"delay\":{}}}", after.as_nanos()),
    };
    Ask { subject, headers: None, body: body.into() }
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
        let until = Instant::now() + wait;
        while max > 0 {
            let session = self.shared.link.session_until(until).await.map_err(unavailable)?;
            let rest = until.saturating_duration_since(Instant::now());
            let arrivals = match session.fetch(max, rest, self.shared.options.call_deadline).await {
                Ok(arrivals) if arrivals.is_empty() => break,
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
        Ok(Vec::new())
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
        let held = self.held_of(receipts);
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

impl NatsQueue {
    /// Takes a dead letter out of its stream, and answers how many went: 1, or 0 when somebody else was first.
    async fn remove(&self, session: &Session, letter: &dead::Stored) -> Result<u64, QueueError> {
        let server = &session.server;
        match timeout_at(self.deadline(), session.dead.delete_message(letter.sequence())).await {
            Ok(Ok(was_there)) => Ok(u64::from(was_there)),
            Ok(Err(error)) => Err(unknown(failed(server, "remove a dead letter", &error))),
            Err(_) => {
                session.doubt();
                let after = self.shared.options.call_deadline;
                Err(unknown(NatsError::Deadline { server: server.clone(), after }))
            }
        }
    }
}
