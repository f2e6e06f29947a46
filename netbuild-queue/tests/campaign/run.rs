//! A campaign: everything at once, then the healing, then the judgement.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use netbuild_core::intake::PublishCounts;
use netbuild_core::testkit::fault_proxy::{FaultPlan, FaultProxy};
use tokio::task::JoinSet;

use crate::broker;
use crate::child::{BATCH, Job, Said, said};
use crate::consumer::Consumer;
use crate::counts::{Counts, PUBLISHERS};
use crate::judge::{Verdict, judge};

/// A server that can be killed.
pub(crate) trait Server: Send + 'static {
    fn addr(&self) -> SocketAddr;
    /// What the kind's `open` takes, through a proxy at an address.
    fn place(&self, proxy: SocketAddr) -> String;
    /// `kill -9`.
    fn kill(&mut self);
    fn start_again(&mut self);
}

/// What lies between the processes: a server behind proxies, or a file that they share.
pub(crate) enum Between {
    Server(Box<dyn Server>),
    File(PathBuf),
}

/// Long for what comes once everything is healed.
const PATIENT: Duration = Duration::from_secs(300);

/// Runs a campaign against the broker of a kind, prints its figures and judges it.
pub(crate) async fn run(kind: &'static str, between: Between) {
    let counts = Counts::of_this_run();
    let start = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let mut proxies = Vec::new();
    let (mut to_publish, mut to_consume) = (String::new(), String::new());
    let mut server = None;
    match between {
        Between::File(path) => {
            to_publish = path.to_str().unwrap().to_owned();
            to_consume.clone_from(&to_publish);
        }
        Between::Server(running) => {
            for place_of in [&mut to_publish, &mut to_consume] {
                let proxy = FaultProxy::start(running.addr()).await.unwrap();
                *place_of = running.place(proxy.addr());
                proxies.push(proxy);
            }
            server = Some(running);
        }
    }
    let consumer = Consumer::start(broker::open(kind, &to_consume).await, &folder.path().join("ledger.db")).await;

    let kills = Arc::new(AtomicU64::new(0));
    let mut publishers = JoinSet::new();
    for number in 1..=PUBLISHERS {
        let batches = u32::try_from(counts.events / BATCH).unwrap();
        let job = Job {
            kind,
            place: to_publish.clone(),
            outbox: folder.path().join(format!("outbox-{number}.db")),
            number,
            from: 1,
            to: counts.events,
            pause: counts.time() / batches,
        };
        let kills = kills.clone();
        publishers.spawn_blocking(move || publish(job, counts, &kills));
    }
    let mut disturbing = JoinSet::new();
    for (seed, proxy) in (1..).zip(proxies) {
        let plan = FaultPlan::random(seed, counts.faults, counts.longest);
        disturbing.spawn(async move {
            proxy.play(&plan).await;
            // It goes on living until the end.
            (Some(proxy), None)
        });
    }
    if let Some(mut server) = server {
        disturbing.spawn_blocking(move || {
            for _ in 0..counts.server_kills {
                std::thread::sleep(counts.time() / (counts.server_kills + 1));
                server.kill();
                std::thread::sleep(counts.longest / 2);
                server.start_again();
            }
            (None, Some(server))
        });
    }
    let disturbed = disturbing.join_all().await;
    let faults = counts.faults * disturbed.iter().filter(|(proxy, _)| proxy.is_some()).count();
    let has_server = disturbed.iter().any(|(_, server)| server.is_some());
    let server_kills = if has_server { counts.server_kills } else { 0 };
    let done: Vec<PublishCounts> = publishers.join_all().await;
    let published_after = start.elapsed();

    let all = counts.events * PUBLISHERS;
    let deadline = Instant::now() + PATIENT;
    while consumer.progress().await.0 < all && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let gaps = consumer.progress().await.1;
    let admitted = consumer.admitted().await;
    let verdict = judge(&admitted, counts.events);
    let sum = |of: fn(&PublishCounts) -> u64| done.iter().map(of).sum::<u64>();
    let broken: u64 = disturbed.iter().filter_map(|(proxy, _)| proxy.as_ref()).map(|proxy| proxy.counts().broken).sum();
    println!(
        "{kind}: {all} accepted, {} admitted, {} received, {verdict:?}, {gaps} gaps given up; {faults} faults and {broken} broken \
         connections, {server_kills} kills of the server, {} of publishers; the last lives of the publishers sent {} ({} of a backlog), \
         {} publishes failed, {} of them unknown; all published after {:.1} s, all admitted after {:.1} s",
        admitted.len(),
        consumer.queue.received.load(Ordering::Relaxed),
        kills.load(Ordering::Relaxed),
        sum(|counts| counts.published),
        sum(|counts| counts.drained),
        sum(|counts| counts.failed),
        sum(|counts| counts.unknown),
        published_after.as_secs_f64(),
        start.elapsed().as_secs_f64(),
    );
    assert_eq!(verdict, Verdict::default());
    assert_eq!(kills.load(Ordering::Relaxed), u64::from(counts.publisher_kills));
    consumer.stop().await;
}

/// Runs a publisher's process until all its events are accepted and published, and kills it so many times on the way.
fn publish(mut job: Job, counts: Counts, kills: &AtomicU64) -> PublishCounts {
    let mut random = fastrand::Rng::with_seed(job.number);
    let mut left = u64::from(counts.publisher_kills) / PUBLISHERS;
    loop {
        let mut child = job.start();
        let mut heard = said(&mut child);
        if left > 0 {
            // The first word comes before the kill, or a slow machine would kill it again and again before it begins.
            let word = heard.next();
            std::thread::sleep(
                (counts.time() / (counts.publisher_kills / PUBLISHERS as u32 + 1)).mul_f64(random.f64()),
            );
            child.kill().unwrap();
            (left, _) = (left - 1, kills.fetch_add(1, Ordering::Relaxed));
            for said in word.into_iter().chain(heard) {
                if let Said::Accepted(event) = said {
                    job.from = event + 1;
                }
            }
            child.wait().unwrap();
            continue;
        }
        let done = heard.find_map(|said| match said {
            Said::Done(counts) => Some(counts),
            Said::Accepted(_) => None,
        });
        assert!(child.wait().unwrap().success(), "a publisher's process ends well");
        return done.expect("a publisher's process says what it did");
    }
}
