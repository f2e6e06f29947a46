//! The consumer: takes what the broker gives as long as somebody asks for it, and gives back what is due.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::holdings::{Acks, Held, Holdings};
use super::letter;
use super::options::AmqpOptions;
use super::session::Session;

/// What was given back is in the queue after this time, on a broker that is well.
const ARRIVES: Duration = Duration::from_secs(1);

/// In place of never.
const FAR: Duration = Duration::from_secs(3600);

/// What a session's consumer has.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    /// Told when messages came.
    pub(super) arrived: Notify,
    /// Told when somebody asks for messages, or when something is due earlier.
    pub(super) changed: Notify,
    /// Told when a [`State::drains_done`] grows.
    drained: Notify,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) holdings: Holdings,
    /// When somebody asked for messages last.
    asked_at: Option<Instant>,
    /// Messages that were given back, and have not come again, each with the time.
    pub(super) returned: Vec<(Held, Instant)>,
    /// How often somebody asked for all that has come to be taken in, and how many of those were answered.
    drains_asked: u64,
    drains_done: u64,
}

impl Inbox {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }

    /// Waits until everything that the client has received by now is in the holdings: it may wait in between.
    pub(super) async fn drained(&self) {
        let asked = {
            let mut state = self.state();
            state.drains_asked += 1;
            state.drains_asked
        };
        self.changed.notify_one();
        loop {
            // Before the look, so that an answer right after it is not missed.
            let mut drained = pin!(self.drained.notified());
            drained.as_mut().enable();
            if self.state().drains_done >= asked {
                return;
            }
            drained.await;
        }
    }

    /// Everything that was received before `asked` was read is taken in.
    fn drain_done(&self, asked: u64) {
        self.state().drains_done = asked;
        self.drained.notify_waiters();
    }

    /// Hands out what is here, and keeps the consumer going.
    pub(super) fn hand_out(&self, max: usize, until: Instant) -> Vec<(u64, Held)> {
        let mut state = self.state();
        let was_asked = state.asked_at.replace(Instant::now()).is_some();
        let was_due = state.holdings.next_due();
        let handed_out = state.holdings.hand_out(max, until);
        if !was_asked || (!handed_out.is_empty() && was_due.is_none_or(|due| until < due)) {
            self.changed.notify_one();
        }
        handed_out
    }
}

impl State {
    fn arrive(&mut self, delivery: Delivery) {
        let held = Held { deliveries: letter::deliveries(&delivery.properties), body: delivery.data.into() };
        if delivery.redelivered {
            self.returned.retain(|(returned, _)| returned.body != held.body);
        }
        self.holdings.arrive(delivery.delivery_tag, held);
    }

    /// Whether somebody asks for messages, what is due, taken out, and when the next is due.
    fn look(&mut self, now: Instant) -> (Option<Instant>, Vec<(u64, Held)>, Option<Instant>) {
        let due = self.holdings.due(now);
        (self.asked_at, due, self.holdings.next_due())
    }

    /// When nobody will have asked for `idle`; none, and nobody asks any more, when that is past.
    fn idle_at(&mut self, now: Instant, idle: Duration) -> Option<Instant> {
        self.asked_at = self.asked_at.filter(|at| *at + idle > now);
        self.asked_at.map(|at| at + idle)
    }

    /// Whether all that was given back has come again, or has had its time to arrive in the queue.
    pub(super) fn is_settled(&mut self, now: Instant) -> bool {
        self.returned.retain(|(_, at)| now.duration_since(*at) < ARRIVES);
        self.returned.is_empty()
    }
}

/// Runs a session's consumer until the session breaks.
pub(super) async fn run(session: &Session, options: &AmqpOptions) {
    if let Err(error) = consume_on_demand(session, options).await {
        session.give_up_on(&error);
    }
    pending().await
}

async fn consume_on_demand(session: &Session, options: &AmqpOptions) -> lapin::Result<()> {
    let channel = &session.consume;
    channel.basic_qos(options.prefetch, BasicQosOptions::default()).await?;
    loop {
        wait_until_asked(session).await?;
        let (consume, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let mut consumer = channel.basic_consume(options.queue.as_str().into(), "".into(), consume, none).await?;
        consume_while_asked(session, &mut consumer, options.redelivery_after).await?;
        // What nobody asks for belongs to others.
        channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
        while let Some(delivery) = consumer.next().await {
            session.inbox.state().arrive(delivery?);
        }
        let waiting = session.inbox.state().holdings.give_back_waiting();
        give_back(session, waiting).await?;
    }
}

/// Gives back what is due until somebody asks for messages.
async fn wait_until_asked(session: &Session) -> lapin::Result<()> {
    loop {
        let drains_asked = session.inbox.state().drains_asked;
        session.inbox.drain_done(drains_asked);
        let (asked_at, due, next_due) = session.inbox.state().look(Instant::now());
        give_back(session, due).await?;
        if asked_at.is_some() {
            return Ok(());
        }
        tokio::select! {
            () = session.inbox.changed.notified() => {}
            () = sleep_until(next_due.unwrap_or_else(|| Instant::now() + FAR)) => {}
        }
    }
}

/// Takes what comes and gives back what is due, until nobody has asked for `idle`.
async fn consume_while_asked(session: &Session, consumer: &mut Consumer, idle: Duration) -> lapin::Result<()> {
    loop {
        let drains_asked = session.inbox.state().drains_asked;
        while let Some(delivery) = consumer.next().now_or_never() {
            take_in(session, delivery)?;
        }
        session.inbox.drain_done(drains_asked);
        // Before anything is given back, which would come here again.
        let Some(idle_at) = session.inbox.state().idle_at(Instant::now(), idle) else { return Ok(()) };
        let (_, due, next_due) = session.inbox.state().look(Instant::now());
        give_back(session, due).await?;
        let next_look = next_due.map_or(idle_at, |due_at| due_at.min(idle_at));
        loop {
            tokio::select! {
                delivery = consumer.next() => take_in(session, delivery)?,
                () = session.inbox.changed.notified() => break,
                () = sleep_until(next_look) => break,
            }
        }
    }
}

/// Takes in what the consumer received.
fn take_in(session: &Session, delivery: Option<lapin::Result<Delivery>>) -> lapin::Result<()> {
    // Without one the queue is gone, or moves to another node.
    let ended = || Err(io::Error::other("the broker ended the consumer").into());
    session.inbox.state().arrive(delivery.unwrap_or_else(ended)?);
    session.inbox.arrived.notify_waiters();
    Ok(())
}

/// Gives messages back to the broker, which hands them out again at once.
pub(super) async fn give_back(session: &Session, given_back: Vec<(u64, Held)>) -> lapin::Result<()> {
    let (tags, messages): (Vec<u64>, Vec<Held>) = given_back.into_iter().unzip();
    let now = Instant::now();
    session.inbox.state().returned.extend(messages.into_iter().map(|held| (held, now)));
    for tag in tags {
        session.consume.basic_nack(tag, BasicNackOptions { requeue: true, multiple: false }).await?;
    }
    Ok(())
}

/// Acks messages.
pub(super) async fn ack(session: &Session, acks: &Acks) -> lapin::Result<()> {
    let in_one = acks.up_to.map(|tag| (tag, true));
    for (tag, multiple) in in_one.into_iter().chain(acks.each.iter().map(|tag| (*tag, false))) {
        session.consume.basic_ack(tag, BasicAckOptions { multiple }).await?;
    }
    Ok(())
}
