//! What the calls of the port are made of.

use std::future::Future;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use async_nats::Subject;
use bytes::Bytes;
use netbuild_core::port::{DeadReason, Delivery, Message, QueueError, Receipt};
use tokio::time::{Instant, timeout_at};

use super::dead::{self, Stored};
use super::error::{NatsError, unavailable, unknown};
use super::fetch::Arrival;
use super::held::Held;
use super::pipeline::{Answer, Ask};
use super::publish::{Fate, Item, Verdict, verdict};
use super::queue::NatsQueue;
use super::receipt::{self, DeliveryName};
use super::session::{Session, failed};

/// How many times the time of redelivery a delivery is remembered: a caller that answers later than that is not heard.
const REMEMBERED: u32 = 10;

impl NatsQueue {
    pub(super) fn session(&self) -> Result<Arc<Session>, QueueError> {
        self.shared.link.session().map_err(unavailable)
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.shared.held.lock().expect("nothing panics while it holds this lock")
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.shared.options.call_deadline
    }

    /// Carries out a call that changes nothing.
    pub(super) async fn look<T>(
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
    pub(super) async fn store(&self, session: &Session, items: Vec<Item>) -> Result<Vec<Fate>, QueueError> {
        let fates = session.store(&self.shared.options.stream, items, self.deadline()).await;
        self.judge(session, &fates, "store messages")?;
        Ok(fates)
    }

    /// What the fates of a batch mean to the caller.
    pub(super) fn judge(&self, session: &Session, fates: &[Fate], doing: &'static str) -> Result<(), QueueError> {
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
    pub(super) async fn answer(
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
    pub(super) fn held_of(&self, receipts: &[Receipt]) -> Vec<(DeliveryName, Subject)> {
        let held = self.held();
        receipts.iter().filter_map(receipt::parse).filter(|(name, _)| held.has(*name)).collect()
    }

    /// Makes dead letters of deliveries, and acks them. A crash between leaves them in both places.
    pub(super) async fn bury_all(
        &self,
        session: &Session,
        dead: Vec<(DeliveryName, Receipt, Item)>,
    ) -> Result<(), QueueError> {
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
    pub(super) async fn sort(&self, session: &Session, arrivals: Vec<Arrival>) -> Vec<Delivery> {
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

    /// Takes a dead letter out of its stream, and answers how many went: 1, or 0 when somebody else was first.
    pub(super) async fn remove(&self, session: &Session, letter: &Stored) -> Result<u64, QueueError> {
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

/// The answer that a message is done with.
pub(super) fn ack(subject: Subject) -> Ask {
    Ask { subject, headers: None, body: Bytes::from_static(b"+ACK") }
}

/// The answer that a message is to be delivered again after a time.
pub(super) fn nack(subject: Subject, after: Duration) -> Ask {
    let body = match after.is_zero() {
        true => "-NAK".to_owned(),
        false => format!("-NAK {{\"delay\":{}}}", after.as_nanos()),
    };
    Ask { subject, headers: None, body: body.into() }
}
