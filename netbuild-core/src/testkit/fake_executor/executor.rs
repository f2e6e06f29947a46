//! The fake behind the port.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::events::{Next, Place};
use super::faults::{CallFault, FakeCall, StartFault};
use super::handle::FakeExecutorHandle;
use super::play::{Play, deploy_of};
use super::state::State;
use crate::model::AttemptId;
use crate::port::{
    Clock, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Listing, LogChunk, StartError, StartRequest,
    Started,
};
use crate::testkit::TokioClock;

/// An executor in memory that keeps the port's whole contract, and breaks it only where the test says so through the
/// [`FakeExecutorHandle`]. It follows tokio's time, so with paused time an hour's build takes no time.
///
/// # Panics
/// Its calls panic when the caller breaks the contract: a job of another build, a build under two names or two builds
/// under one, and, among fakes that share [`LiveAttempts`](super::LiveAttempts), a second live attempt of a build.
///
/// ```
/// use std::time::Duration;
/// use netbuild_core::model::Timestamp;
/// use netbuild_core::testkit::{FakeExecutor, Play, TokioClock};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = TokioClock::new(Timestamp::from_millis(1_700_000_000_000));
/// let (executor, handle) = FakeExecutor::new(clock, |_| Play::succeeds_after(Duration::from_secs(60)));
/// handle.set_slots(Some(2));
/// assert!(handle.alive().is_empty());
/// # drop(executor);
/// # }
/// ```
pub struct FakeExecutor {
    shared: Arc<Shared>,
}

/// What the fake, its handle and its streams share.
pub(super) struct Shared {
    pub(super) clock: TokioClock,
    script: Box<dyn Fn(&StartRequest) -> Play + Send + Sync>,
    state: Mutex<State>,
    /// Told after every change.
    pub(super) changed: watch::Sender<()>,
}

impl FakeExecutor {
    /// An executor whose attempts do what `script` says when they are started.
    pub fn new(
        clock: TokioClock,
        script: impl Fn(&StartRequest) -> Play + Send + Sync + 'static,
    ) -> (Self, FakeExecutorHandle) {
        let epoch = clock.now() - clock.monotonic();
        let shared = Arc::new(Shared {
            clock,
            script: Box::new(script),
            state: Mutex::new(State::new(epoch)),
            changed: watch::Sender::new(()),
        });
        (FakeExecutor { shared: Arc::clone(&shared) }, FakeExecutorHandle::new(shared))
    }

    /// An executor whose attempts all succeed, each with the deploy [`deploy_of`] it, after the time that `duration`
    /// says.
    pub fn succeeding(
        clock: TokioClock,
        duration: impl Fn(&AttemptId) -> Duration + Send + Sync + 'static,
    ) -> (Self, FakeExecutorHandle) {
        Self::new(clock, move |request| {
            let attempt = &request.job.attempt;
            Play::deploys_after(duration(attempt), deploy_of(attempt))
        })
    }

    /// A call: recorded, delayed as the test says, and its work done between the two delays.
    async fn call<T>(&self, call: FakeCall, work: impl FnOnce(&mut State, Duration) -> T) -> T {
        let kind = call.kind();
        let (before, after) = self.shared.with(|state, _| {
            state.record(call);
            state.delays.get(&kind).copied().unwrap_or_default()
        });
        pause(before).await;
        let answer = self.shared.with(work);
        pause(after).await;
        answer
    }

    /// A call that the test may let fail.
    async fn try_call<T>(
        &self,
        call: FakeCall,
        work: impl FnOnce(&mut State, Duration) -> Result<T, ExecutorError>,
    ) -> Result<T, ExecutorError> {
        let kind = call.kind();
        self.call(call, |state, now| {
            let fault = state.call_faults.get_mut(&kind).and_then(|faults| faults.pop_front());
            match fault {
                None => work(state, now),
                Some(CallFault::Unavailable) => Err(ExecutorError::Unavailable(AS_THE_TEST_SAYS.into())),
                Some(CallFault::UnknownNotDone) => Err(ExecutorError::Unknown(AS_THE_TEST_SAYS.into())),
                Some(CallFault::UnknownDone) => {
                    work(state, now)?;
                    Err(ExecutorError::Unknown(AS_THE_TEST_SAYS.into()))
                }
            }
        })
        .await
    }
}

const AS_THE_TEST_SAYS: &str = "as the test says";

/// No delay is no await point, so that a call without delays is done at once.
async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

impl Shared {
    /// Works with the state as it is now, and tells of the change.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State, Duration) -> T) -> T {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        state.advance(now);
        let answer = work(&mut state, now);
        drop(state);
        self.changed.send_replace(());
        answer
    }

    /// Looks at the state as it is now, without telling of a change.
    pub(super) fn with_quietly<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        let mut state = self.lock();
        state.advance(self.clock.monotonic());
        look(&state)
    }

    /// A panic of the fake is a finding of the test; what comes later may still look.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a stream says next, and when to look again if that is nothing.
    fn next_event(&self, place: &mut Place) -> (Next, Option<Duration>) {
        let now = self.clock.monotonic();
        self.with_quietly(|state| (state.events.next(place), state.next_due().map(|due| due.saturating_sub(now))))
    }
}

#[async_trait]
impl Executor for FakeExecutor {
    fn capabilities(&self) -> ExecutorCapabilities {
        let slots = self.shared.with_quietly(|state| state.slots);
        ExecutorCapabilities { slots, images: true, survives_scheduler: true, cancel_grace: true }
    }

    async fn start(&self, request: &StartRequest) -> Result<Started, StartError> {
        let call = FakeCall::Start(request.job.attempt.clone());
        self.call(call, |state, now| match state.start_faults.pop_front() {
            None => state.start(request, &self.shared.script, now),
            Some(StartFault::Full) => Err(StartError::Full),
            Some(StartFault::Refused(failure)) => Err(StartError::Refused(failure)),
            Some(StartFault::Unavailable) => Err(StartError::Unavailable(AS_THE_TEST_SAYS.into())),
            Some(StartFault::UnknownNotStarted) => Err(StartError::Unknown(AS_THE_TEST_SAYS.into())),
            Some(StartFault::UnknownStarted) => {
                state.start(request, &self.shared.script, now)?;
                Err(StartError::Unknown(AS_THE_TEST_SAYS.into()))
            }
        })
        .await
    }

    async fn cancel(&self, attempt: &AttemptId, grace: Duration) -> Result<(), ExecutorError> {
        self.try_call(FakeCall::Cancel(attempt.clone(), grace), |state, now| {
            state.cancel(attempt, grace, now);
            Ok(())
        })
        .await
    }

    async fn list(&self) -> Result<Listing, ExecutorError> {
        self.try_call(FakeCall::List, |state, _| Ok(state.list())).await
    }

    async fn events(&self) -> Result<BoxStream<'static, ExecutorEvent>, ExecutorError> {
        let place = self.try_call(FakeCall::Events, |state, _| Ok(state.events.place())).await?;
        let changed = self.shared.changed.subscribe();
        let events =
            stream::unfold((Arc::clone(&self.shared), changed, place), |(shared, mut changed, mut place)| async move {
                loop {
                    changed.mark_unchanged();
                    let (next, due) = shared.next_event(&mut place);
                    match next {
                        Next::Event(event) => return Some((event, (shared, changed, place))),
                        Next::End => return None,
                        Next::Nothing => {}
                    }
                    let due = async {
                        match due {
                            Some(due) => sleep(due).await,
                            None => std::future::pending().await,
                        }
                    };
                    // The sender is in `shared`, so it is never closed.
                    tokio::select! {
                        biased;
                        _changed = changed.changed() => {}
                        () = due => {}
                    }
                }
            });
        Ok(stream::once(std::future::ready(ExecutorEvent::Gap)).chain(events).boxed())
    }

    async fn logs(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, ExecutorError> {
        self.try_call(FakeCall::Logs(attempt.clone(), from), |state, _| Ok(state.logs(attempt, from, max))).await
    }

    async fn remove(&self, attempt: &AttemptId) -> Result<(), ExecutorError> {
        self.try_call(FakeCall::Remove(attempt.clone()), |state, _| state.remove(attempt)).await
    }
}

impl Debug for FakeExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeExecutor").field("state", &*self.shared.lock()).finish_non_exhaustive()
    }
}

impl Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("state", &*self.lock()).finish_non_exhaustive()
    }
}
