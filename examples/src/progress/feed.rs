//! From the scheduler's notices and the attempts' logs to a view.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use netbuild_core::model::{AttemptId, BuildKey, Timestamp};
use netbuild_core::port::{Clock, LogStore, Notice, Observer};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::log_reader::LogReader;
use super::{DisplayEvent, Step, View};

/// The time between two looks at the logs.
const TICK: Duration = Duration::from_millis(100);

/// How many reads of a log are shown after its attempt ended; what a very long log still has is not.
const LAST_READS: usize = 16;

/// Takes notices for a [`Progress`]. It never blocks: when the view is too slow, steps are dropped and counted.
#[derive(Clone, Debug)]
pub struct ProgressObserver {
    steps: mpsc::Sender<(DisplayEvent, Timestamp)>,
    dropped: Arc<AtomicU64>,
}

/// Shows what its observers take.
#[derive(Debug)]
pub struct Progress {
    steps: mpsc::Receiver<(DisplayEvent, Timestamp)>,
    dropped: Arc<AtomicU64>,
    readers: BTreeMap<AttemptId, LogReader>,
}

/// An observer and the progress that it feeds, with room for `capacity` steps between them; 0 is taken as 1.
pub fn channel(capacity: usize) -> (ProgressObserver, Progress) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    let dropped = Arc::new(AtomicU64::new(0));
    let observer = ProgressObserver { steps: sender, dropped: Arc::clone(&dropped) };
    (observer, Progress { steps: receiver, dropped, readers: BTreeMap::new() })
}

impl Observer for ProgressObserver {
    fn notice(&self, notice: &Notice, at: Timestamp) {
        let Some(event) = DisplayEvent::from_notice(notice) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = self.steps.try_send((event, at)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Progress {
    /// Shows steps and logs until every observer is dropped.
    pub async fn run(mut self, view: &mut dyn View, logs: &dyn LogStore, clock: &dyn Clock) {
        let mut ticks = tokio::time::interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {
                    self.read_logs(view, logs, clock).await;
                    view.tick(clock.now());
                }
                step = self.steps.recv() => match step {
                    Some((event, at)) => self.take(view, logs, clock, event, at).await,
                    None => break,
                },
            }
        }
        for attempt in self.readers.keys().cloned().collect::<Vec<_>>() {
            self.finish(view, logs, clock, &attempt).await;
        }
        view.close(self.dropped.load(Ordering::Relaxed));
    }

    /// The log's end is shown before the step that ends its attempt.
    async fn take(
        &mut self,
        view: &mut dyn View,
        logs: &dyn LogStore,
        clock: &dyn Clock,
        event: DisplayEvent,
        at: Timestamp,
    ) {
        match &event.step {
            Step::Running { number } => {
                let (attempt, colours) = (event.build.attempt(*number), view.colours());
                self.readers.entry(attempt.clone()).or_insert_with(|| LogReader::new(attempt, colours));
            }
            Step::Settled { number, .. } => self.finish(view, logs, clock, &event.build.attempt(*number)).await,
            _ => {}
        }
        view.show(&event, at);
    }

    async fn read_logs(&mut self, view: &mut dyn View, logs: &dyn LogStore, clock: &dyn Clock) {
        for (attempt, reader) in &mut self.readers {
            let lines = reader.read(logs).await.unwrap_or_default();
            show(view, &attempt.build, lines, clock.now());
        }
    }

    async fn finish(&mut self, view: &mut dyn View, logs: &dyn LogStore, clock: &dyn Clock, attempt: &AttemptId) {
        let mut reader = match self.readers.remove(attempt) {
            Some(reader) => reader,
            // It ended before it was seen to run.
            None => LogReader::new(attempt.clone(), view.colours()),
        };
        for _ in 0..LAST_READS {
            let Some(lines) = reader.read(logs).await else { break };
            show(view, &attempt.build, lines, clock.now());
        }
        let more = reader.more(logs).await.then(|| "… the log goes on; not all of it is shown here".to_owned());
        show(view, &attempt.build, more, clock.now());
        show(view, &attempt.build, reader.finish(), clock.now());
    }
}

fn show(view: &mut dyn View, build: &BuildKey, lines: impl IntoIterator<Item = String>, now: Timestamp) {
    for line in lines {
        view.show(&DisplayEvent { build: build.clone(), step: Step::Log(line) }, now);
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use bytes::Bytes;
    use netbuild_core::model::{
        AccountId, AttemptNumber, BuildId, Ending, ExecutorName, Outcome, PhaseTime, ProjectId, Report, Route, RunPhase,
    };
    use netbuild_core::port::{LogChunk, LogStoreError, SystemClock};

    use super::*;
    use crate::progress::{PlainView, Titles};

    /// A log that is there whole.
    #[derive(Debug)]
    struct WholeLog(&'static str);

    #[async_trait]
    impl LogStore for WholeLog {
        async fn append(&self, _attempt: &AttemptId, _from: u64, _bytes: &[u8]) -> Result<u64, LogStoreError> {
            panic!("a view only reads")
        }

        async fn next_offset(&self, _attempt: &AttemptId) -> Result<u64, LogStoreError> {
            Ok(self.0.len() as u64)
        }

        async fn read(&self, _attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, LogStoreError> {
            let rest = &self.0.as_bytes()[self.0.len().min(from as usize)..];
            Ok(LogChunk { offset: from, bytes: Bytes::copy_from_slice(&rest[..rest.len().min(max)]), end: true })
        }
    }

    fn build() -> BuildKey {
        BuildKey {
            account: AccountId::new("a").unwrap(),
            project: ProjectId::new("p").unwrap(),
            build: BuildId::new(Timestamp::EPOCH, [0; 10]),
        }
    }

    fn notices() -> Vec<Notice> {
        let (build, attempt) = (build(), build().attempt(AttemptNumber::FIRST));
        let phases = vec![PhaseTime { phase: RunPhase::Run, began_at: Timestamp::EPOCH, millis: 1500 }];
        let report = Report { phases, ..Report::of(Outcome::Succeeded { deploy: None }) };
        let route = Route::fixed(ExecutorName::new("process").unwrap());
        vec![
            Notice::Leading,
            Notice::Admitted { build: build.clone() },
            Notice::Planned { attempt: attempt.clone(), route },
            Notice::Accepted { attempt: attempt.clone(), host: None },
            Notice::Running { attempt: attempt.clone() },
            Notice::Progress { attempt: attempt.clone(), phase: RunPhase::Run },
            Notice::Settled { attempt, report },
            Notice::Ended { build, ending: Ending::Passed },
        ]
    }

    async fn shown(notices: Vec<Notice>, capacity: usize) -> String {
        let (observer, progress) = channel(capacity);
        for (millis, notice) in (0..).step_by(250).zip(notices) {
            observer.notice(&notice, Timestamp::from_millis(millis));
        }
        drop(observer);
        let mut out = Vec::new();
        let titles = Titles::new([(build().build, "first".to_owned())]);
        let mut view = PlainView::new(&mut out, titles, Timestamp::EPOCH);
        progress.run(&mut view, &WholeLog("one\n\u{1b}[31mtwo\u{1b}[0m"), &SystemClock::new()).await;
        String::from_utf8(out).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn steps_and_the_whole_log_are_shown_in_order_as_plain_lines() {
        let text = shown(notices(), 64).await;
        let lines: Vec<&str> = text.lines().map(|line| line.split_once("] ").unwrap().1).collect();
        let expected = [
            "first: in the backlog",
            "first: attempt 1 goes to process",
            "first: accepted",
            "first: attempt 1 runs",
            "first: running",
            "first: | one",
            "first: | two",
            "first: attempt 1: succeeded (run 1.50 s)",
            "first: passed",
        ];
        assert_eq!(lines, expected, "{text}");
        assert!(text.starts_with("[  0.250 s] first"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[tokio::test(start_paused = true)]
    async fn an_observer_never_waits_and_what_it_drops_is_told() {
        let text = shown(notices(), 2).await;
        assert!(text.ends_with("5 steps came too fast to be shown\n"), "{text}");
    }
}
