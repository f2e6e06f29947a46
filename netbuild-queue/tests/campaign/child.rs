//! A publisher's process: it records events, says so, and publishes them.

use std::io::{BufRead, BufReader};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::breaker::{Breaker, BreakerConfig, OpenTimes, Recovery};
use netbuild_core::intake::{PublishCounts, Publisher, PublisherConfig};
use netbuild_core::model::{Build, BuildId};
use netbuild_core::port::{Clock, Event, Outbox, SystemClock};
use netbuild_core::testkit::fixtures::{build, build_id, event, publisher};
use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::broker::{self, DEADLINE};

/// What a publisher's process is to do, from its environment.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) kind: &'static str,
    pub(crate) place: String,
    pub(crate) outbox: PathBuf,
    pub(crate) number: u64,
    /// The first event to record, and the last.
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The pause between two batches of events.
    pub(crate) pause: Duration,
}

/// Events recorded at once.
pub(crate) const BATCH: u64 = 10;
const JOB: &str = "NETBUILD_TEST_CAMPAIGN";

/// The build of a publisher's event.
pub(crate) fn id_of(publisher: u64, event: u64) -> BuildId {
    build_id(publisher * 1_000_000_000 + event)
}

fn event_of(publisher: u64, number: u64) -> Event {
    event(Build { id: id_of(publisher, number), ..build("acme", "site", number) })
}

impl Job {
    /// This test binary again, as that process.
    pub(crate) fn start(&self) -> Child {
        let Job { kind, place, outbox, number, from, to, pause } = self;
        let job = [*kind, place, outbox.to_str().unwrap()].join("\n");
        let job = format!("{job}\n{number}\n{from}\n{to}\n{}", pause.as_millis());
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::child_publishes", "--nocapture", "--test-threads=1"])
            .env(JOB, job)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn of_this_process() -> Option<Self> {
        let job = std::env::var(JOB).ok()?;
        let parts: Vec<&str> = job.split('\n').collect();
        let number = |at: usize| parts[at].parse::<u64>().unwrap();
        Some(Job {
            kind: parts[0].to_owned().leak(),
            place: parts[1].to_owned(),
            outbox: Path::new(parts[2]).to_owned(),
            number: number(3),
            from: number(4),
            to: number(5),
            pause: Duration::from_millis(number(6)),
        })
    }
}

/// What a process says on its output.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said {
    /// All events up to this one are accepted.
    Accepted(u64),
    /// It is done: nothing is pending. What it did since it was started.
    Done(PublishCounts),
}

/// All that a process says, up to where a kill cut it off.
pub(crate) fn said(child: &mut Child) -> impl Iterator<Item = Said> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| {
        // A line that the kill cut off says nothing.
        let words: Vec<u64> = line.strip_suffix('.')?.split(' ').skip(1).filter_map(|word| word.parse().ok()).collect();
        match (line.split(' ').next()?, &words[..]) {
            ("accepted", [event]) => Some(Said::Accepted(*event)),
            ("done", &[published, drained, failed, unknown]) => {
                Some(Said::Done(PublishCounts { published, drained, failed, unknown }))
            }
            _ => None,
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_publishes() {
    let Some(job) = Job::of_this_process() else { return };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let options = SqliteOptions { outbox_limit: 1_000_000, ..SqliteOptions::default() };
    let store = SqliteStore::open(&job.outbox, options, clock.clone()).await.unwrap();
    let outbox = Arc::new(store.outbox(publisher(&format!("api-{}", job.number))).await.unwrap());
    let (share, mut opened) = tokio::sync::watch::channel(None);
    let mut publishing = JoinSet::new();
    {
        let (outbox, job) = (outbox.clone(), job.clone());
        publishing.spawn(async move {
            let queue = broker::open(job.kind, &job.place).await;
            let open_times =
                OpenTimes::doubling(Duration::from_millis(200), Duration::from_secs(2)).jittered(job.number);
            let recovery = Recovery { open_times, ..Recovery::default() };
            let breaker = BreakerConfig { recovery, ..BreakerConfig::default() };
            let config = PublisherConfig {
                drain_rate: NonZeroU32::new(5_000),
                retry: Duration::from_millis(100),
                poll: Duration::from_millis(20),
                deadline: DEADLINE,
                ..PublisherConfig::default()
            };
            let breaker = Arc::new(Breaker::new(breaker));
            let publisher = Arc::new(Publisher::with_breaker(outbox, queue, breaker, clock, config));
            share.send_replace(Some(publisher.clone()));
            publisher.run(CancellationToken::new()).await;
        });
    }
    let mut next = job.from;
    while next <= job.to {
        let last = (next + BATCH - 1).min(job.to);
        let events: Vec<Event> = (next..=last).map(|number| event_of(job.number, number)).collect();
        outbox.record(&events).await.unwrap();
        println!("\naccepted {last}.");
        next = last + 1;
        tokio::time::sleep(job.pause).await;
    }
    let publisher = opened.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    while outbox.backlog().await.unwrap().count > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let PublishCounts { published, drained, failed, unknown } = publisher.status().await.unwrap().counts;
    println!("\ndone {published} {drained} {failed} {unknown}.");
    publishing.shutdown().await;
}
