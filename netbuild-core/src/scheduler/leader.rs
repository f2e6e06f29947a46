//! The leader's owner task: the one place where the engine lives.
//!
//! It waits for something to happen, takes in what else has happened meanwhile, commits all of it at once, and only then
//! acts, notifies and answers. So many builds share one commit, and nothing is done that a crash could forget.

use std::collections::{BTreeSet, VecDeque};
use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::calls::{Answer, Caller};
use super::clearing::Clearing;
use super::door::{self, Door};
use super::figures;
use super::handle::{CancelAnswer, Request, Status};
use super::lease;
use super::patience::End;
use super::sources::{self, News};
use crate::engine::{Action, Effects, Engine, Input};
use crate::model::{Change, ExecutorName, Rank, Timestamp};
use crate::policy::Policy;
use crate::port::{Admission, Batch, ExecutorEvent, Notice, Order};

/// How many builds are restored at once.
const RESTORE_PAGE: usize = 1_000;

pub(super) struct Leader {
    caller: Arc<Caller>,
    engine: Engine,
    door: Door,
    effects: Effects,
    replies: Vec<Reply>,
    batches: u64,
    actions: VecDeque<Action>,
    clearing: Clearing,
    /// The calls under way, removals included.
    calls: JoinSet<Answer>,
    /// Executors whose list is under way.
    listing: BTreeSet<ExecutorName>,
    requests: mpsc::Receiver<Request>,
    news: mpsc::Receiver<News>,
    sources: JoinSet<()>,
    open: watch::Sender<bool>,
}

/// An answer that waits for the commit.
enum Reply {
    Reported(oneshot::Sender<()>),
    Cancel(oneshot::Sender<CancelAnswer>, CancelAnswer),
}

/// Something that woke the owner task.
enum Woken {
    Call(Result<Answer, JoinError>),
    Request(Request),
    News(News),
    Compare,
    Due,
    Shutdown,
    LeaseLost,
}

impl Leader {
    /// Restores the engine from the ledger and leads until told to stop or until leading is lost.
    pub(super) async fn lead(
        caller: Arc<Caller>,
        policy: Box<dyn Policy>,
        requests: mpsc::Receiver<Request>,
        shutdown: &CancellationToken,
    ) -> End {
        let (news_sender, news) = mpsc::channel(64);
        let (open, open_receiver) = watch::channel(true);
        let config = &caller.config;
        let mut leader = Leader {
            engine: Engine::new(config.engine.clone(), policy),
            door: Door::new(config.sequencer.clone(), Duration::ZERO, []),
            caller: caller.clone(),
            effects: Effects::default(),
            replies: Vec::new(),
            batches: 0,
            actions: VecDeque::new(),
            clearing: Clearing::new(config.max_removals),
            calls: JoinSet::new(),
            listing: BTreeSet::new(),
            requests,
            news,
            sources: JoinSet::new(),
            open,
        };
        let (ledger, lease_of) = (caller.ports.ledger.clone(), caller.lease.clone());
        leader.sources.spawn(lease::keep(lease_of, ledger, config.holder.clone(), config.leader_ttl));
        if let Err(end) = leader.restore().await {
            leader.stop_sources().await;
            return end;
        }
        let (queue, deadline) = (caller.ports.queue.clone(), config.call_deadline);
        leader.sources.spawn(forever(sources::receive(
            queue,
            config.batch,
            deadline,
            open_receiver,
            news_sender.clone(),
        )));
        for (name, executor) in &caller.ports.executors {
            let events = sources::events(name.clone(), executor.clone(), deadline, news_sender.clone());
            leader.sources.spawn(forever(events));
        }
        drop(news_sender);
        caller.ports.observer.notice(&Notice::Leading, caller.ports.clock.now());
        let end = leader.serve(shutdown).await;
        let end = if end == End::Shutdown { leader.drain().await } else { end };
        leader.stop_sources().await;
        end
    }

    async fn restore(&mut self) -> Result<(), End> {
        let caller = self.caller.clone();
        let ledger = &caller.ports.ledger;
        let cursors = caller.patiently(|| ledger.cursors()).await?;
        let places = cursors.into_iter().map(|cursor| cursor.last);
        let redelivery_after = caller.ports.queue.capabilities().redelivery_after;
        self.door = Door::new(caller.config.sequencer.clone(), redelivery_after, places);
        let executors = &caller.ports.executors;
        for (executor, port) in executors {
            let slots = port.capabilities().slots;
            self.step(Input::Capacity { executor: executor.clone(), slots });
        }
        let mut after = Rank::default();
        loop {
            let page = caller.patiently(|| ledger.open_builds(after, RESTORE_PAGE)).await?;
            let Some(last) = page.last() else { break };
            after = last.rank;
            let now = self.now();
            for record in page {
                self.engine.restore(record, now, self.caller.ports.router.as_ref(), &mut self.effects);
            }
        }
        self.step(Input::Tick);
        executors.keys().for_each(|executor| self.list(executor.clone()));
        self.commit().await
    }

    async fn serve(&mut self, shutdown: &CancellationToken) -> End {
        let mut compare = tokio::time::interval(self.caller.config.compare_every);
        compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.start_calls();
            let due = self.sleep_until_due();
            let woken = tokio::select! {
                biased;
                () = shutdown.cancelled() => Woken::Shutdown,
                _ = self.sources.join_next() => Woken::LeaseLost,
                Some(answer) = self.calls.join_next() => Woken::Call(answer),
                Some(request) = self.requests.recv() => Woken::Request(request),
                Some(news) = self.news.recv() => Woken::News(news),
                _ = compare.tick() => Woken::Compare,
                () = due => Woken::Due,
            };
            if let Err(end) = self.turn(woken).await {
                return end;
            }
        }
    }

    /// One turn: what woke the task, what else has happened, one commit, then acts and answers.
    async fn turn(&mut self, woken: Woken) -> Result<(), End> {
        self.take(woken)?;
        for _ in 0..self.caller.config.batch {
            let more = if let Some(answer) = self.calls.try_join_next() {
                Woken::Call(answer)
            } else if let Ok(request) = self.requests.try_recv() {
                Woken::Request(request)
            } else if let Ok(news) = self.news.try_recv() {
                Woken::News(news)
            } else {
                break;
            };
            self.take(more)?;
        }
        self.admit_ready().await?;
        self.give_back_surplus();
        self.commit().await?;
        figures::of_turn(self.engine.stats(), self.door.held(), self.door.gaps());
        let config = &self.caller.config;
        let room = self.engine.open_builds() + self.door.held() < config.max_open_builds;
        let room = self.door.is_open(self.caller.ports.clock.monotonic()) && room;
        self.open.send_if_modified(|open| std::mem::replace(open, room) != room);
        Ok(())
    }

    fn take(&mut self, woken: Woken) -> Result<(), End> {
        match woken {
            Woken::Call(Ok(answer)) => return self.answered(answer),
            Woken::Call(Err(panicked)) => {
                tracing::error!(error = &panicked as &dyn Error, "a call broke");
                return Err(End::Lost("a call broke"));
            }
            Woken::Request(request) => self.requested(request),
            Woken::News(News::Deliveries(deliveries)) => {
                let now = self.monotonic();
                self.door.take(deliveries, now);
            }
            Woken::News(News::Event(executor, ExecutorEvent::Observed(observed))) => {
                self.step(Input::Observed { executor, observed });
            }
            Woken::News(News::Event(executor, ExecutorEvent::Gap)) => self.list(executor),
            Woken::Compare => {
                let executors: Vec<ExecutorName> = self.caller.ports.executors.keys().cloned().collect();
                executors.into_iter().for_each(|executor| self.list(executor));
            }
            Woken::Due => self.step(Input::Tick),
            Woken::Shutdown => return Err(End::Shutdown),
            Woken::LeaseLost => return Err(End::Lost("the leader lease is lost")),
        }
        Ok(())
    }

    fn answered(&mut self, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Input(input) => self.step(*input),
            Answer::Nothing => {}
            Answer::Cleared(attempt) => self.clearing.done(&attempt),
            Answer::Listed(executor, input) => {
                self.listing.remove(&executor);
                if let Some(input) = input {
                    if let Input::Listed { executor, listing, .. } = input.as_ref() {
                        figures::of_listing(executor, listing, self.engine.live_on(executor));
                    }
                    self.step(*input);
                }
            }
            Answer::StepDown(why) => return Err(End::Lost(why)),
        }
        Ok(())
    }

    fn requested(&mut self, request: Request) {
        match request {
            Request::Beat { attempt, beat, reply } => {
                self.step(Input::Beat { attempt: attempt.clone(), phase: beat.phase });
                let order = if self.engine.is_wanted(&attempt) {
                    Order::Continue { lease: self.caller.config.engine.lease }
                } else {
                    Order::Stop
                };
                // Who asked may have gone away; then nobody needs the answer.
                let _ = reply.send(order);
            }
            Request::Report { attempt, report, reply } => {
                self.step(Input::Reported { attempt, report });
                self.replies.push(Reply::Reported(reply));
            }
            Request::Live { attempt, reply } => {
                let _ = reply.send(self.engine.is_live(&attempt));
            }
            Request::Cancel { build, reason, reply } => {
                let answer = if self.engine.can_cancel(&build) { CancelAnswer::Asked } else { CancelAnswer::TooLate };
                if answer == CancelAnswer::Asked {
                    self.step(Input::CancelAsked { build, reason });
                }
                self.replies.push(Reply::Cancel(reply, answer));
            }
            Request::Status { reply } => {
                let _ = reply.send(Status {
                    epoch: self.caller.lease.epoch,
                    engine: self.engine.stats(),
                    held: self.door.held(),
                    gaps: self.door.gaps(),
                    calls: self.calls.len() + self.actions.len() + self.clearing.waiting(),
                });
            }
        }
    }

    /// Admits the messages whose turn it is: first into the ledger, then acked, then into the engine.
    async fn admit_ready(&mut self) -> Result<(), End> {
        let now = self.monotonic();
        let (receipts, messages) = self.door.ready(now);
        if messages.is_empty() {
            return Ok(());
        }
        let caller = self.caller.clone();
        let (ledger, epoch) = (&caller.ports.ledger, caller.lease.epoch);
        let admissions = caller.patiently(|| ledger.admit(epoch, &messages)).await?;
        for (message, admission) in messages.into_iter().zip(admissions) {
            if let Admission::Admitted { rank } = admission {
                self.step(Input::Admitted { build: Arc::new(message.build), rank });
            }
        }
        self.calls.spawn(door::ack(caller.ports.queue.clone(), receipts, caller.config.call_deadline));
        Ok(())
    }

    /// Gives back what waits for an earlier message beyond the bound.
    fn give_back_surplus(&mut self) {
        let now = self.monotonic();
        let surplus = self.door.surplus(now);
        if !surplus.is_empty() {
            let (queue, deadline) = (self.caller.ports.queue.clone(), self.caller.config.call_deadline);
            self.calls.spawn(door::give_back(queue, surplus, deadline));
        }
    }

    /// Makes the changes durable, then lets everything happen that waited for that.
    async fn commit(&mut self) -> Result<(), End> {
        let effects = std::mem::take(&mut self.effects);
        self.append(effects.persist).await?;
        let now = self.now();
        for notice in &effects.notify {
            figures::of_notice(notice);
            self.caller.ports.observer.notice(notice, now);
        }
        for reply in self.replies.drain(..) {
            // Who asked may have gone away; then nobody needs the answer.
            match reply {
                Reply::Reported(reply) => drop(reply.send(())),
                Reply::Cancel(reply, answer) => drop(reply.send(answer)),
            }
        }
        let clearing = &mut self.clearing;
        self.actions.extend(effects.act.into_iter().filter_map(|action| clearing.take(action)));
        Ok(())
    }

    async fn append(&mut self, changes: Vec<Change>) -> Result<(), End> {
        if changes.is_empty() {
            return Ok(());
        }
        let caller = self.caller.clone();
        let ledger = &caller.ports.ledger;
        let batch = Batch { epoch: caller.lease.epoch, number: self.batches + 1, changes };
        caller.patiently(|| ledger.append(&batch)).await?;
        self.batches += 1;
        Ok(())
    }

    fn start_calls(&mut self) {
        while self.calls.len() < self.caller.config.max_calls + self.clearing.under_way() {
            let Some(action) = self.actions.pop_front() else { break };
            self.calls.spawn(self.caller.clone().carry_out(action));
        }
        while let Some((attempt, action)) = self.clearing.next() {
            self.calls.spawn(self.caller.clone().clear(attempt, action));
        }
    }

    /// Asks for an executor's list, if that is not under way already.
    fn list(&mut self, executor: ExecutorName) {
        if self.listing.insert(executor.clone()) {
            self.calls.spawn(self.caller.clone().list(executor, self.engine.steps()));
        }
    }

    fn step(&mut self, input: Input) {
        self.engine.step_into(input, self.now(), self.caller.ports.router.as_ref(), &mut self.effects);
    }

    fn now(&self) -> Timestamp {
        self.caller.ports.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.caller.ports.clock.monotonic()
    }

    /// Until the engine or the door has something to do by itself.
    fn sleep_until_due(&self) -> impl Future<Output = ()> + use<> {
        let engine = self.engine.deadline().map(|at| at.since(self.now()));
        let door = self.door.deadline().map(|at| at.saturating_sub(self.monotonic()));
        let wait = engine.into_iter().chain(door).min();
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    /// The orderly end: nothing new starts, what is under way is finished and written. Attempts go on without us.
    async fn drain(&mut self) -> End {
        let executors: Vec<ExecutorName> = self.caller.ports.executors.keys().cloned().collect();
        for executor in executors {
            self.step(Input::Capacity { executor, slots: Some(0) });
        }
        self.actions.retain(|action| !matches!(action, Action::Start { .. }));
        let drained = tokio::time::timeout(self.caller.config.drain, async {
            loop {
                self.start_calls();
                let Some(answer) = self.calls.join_next().await else { return Ok(()) };
                self.take(Woken::Call(answer))?;
                self.commit().await?;
                self.actions.retain(|action| !matches!(action, Action::Start { .. }));
            }
        });
        match drained.await {
            Ok(Ok(())) => End::Shutdown,
            Ok(Err(end)) => end,
            Err(_) => {
                tracing::warn!("calls were still under way at the end of the drain time");
                End::Shutdown
            }
        }
    }

    async fn stop_sources(&mut self) {
        self.requests.close();
        self.sources.shutdown().await;
        self.calls.shutdown().await;
    }
}

/// A source only ends when the leader does; that it ended must not look like a lost lease.
async fn forever(source: impl Future<Output = ()>) {
    source.await;
    std::future::pending().await
}
