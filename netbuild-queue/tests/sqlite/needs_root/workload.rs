//! A child that takes events all the way to the ledger, and says what each store answered.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{env, thread};

use netbuild_core::model::{BuildId, LeaderEpoch};
use netbuild_core::port::{Admission, Delivery, Event, Lead, LeaderLease, Ledger, Outbox, Queue, SystemClock};
use netbuild_core::testkit::fixtures::{build, event, holder, publisher};
use netbuild_queue::sqlite::{Durability, SqliteLedger, SqliteOptions, SqliteOutbox, SqliteQueue, SqliteStore};

/// Tells this test that it is the child, and which file to use.
const FILE: &str = "NETBUILD_TEST_FILE";
/// Set when a power cut may take answers back.
const LOSSY: &str = "NETBUILD_TEST_LOSSY";
/// The most messages of one call.
const BATCH: usize = 20;

/// What was answered with Ok before a moment, by the events' numbers in the outbox.
#[derive(Clone, Debug, Default)]
pub(super) struct Acked {
    pub(super) recorded: BTreeMap<u64, BuildId>,
    pub(super) published: Vec<u64>,
    pub(super) admitted: BTreeMap<u64, u64>,
    pub(super) acked: Vec<u64>,
}

impl Acked {
    /// Takes in a line of the child. A line that a kill cut off acknowledges nothing.
    fn read(&mut self, line: &str) -> Option<()> {
        let mut words = line.strip_suffix('.')?.split(' ');
        let (kind, seq) = (words.next()?, words.next()?.parse().ok()?);
        match kind {
            "recorded" => self.recorded.extend([(seq, words.next()?.parse().ok()?)]),
            "published" => self.published.push(seq),
            "admitted" => self.admitted.extend([(seq, words.next()?.parse().ok()?)]),
            "acked" => self.acked.push(seq),
            _ => return None,
        }
        Some(())
    }
}

/// A running child. It is killed on drop.
pub(super) struct Workload {
    child: Child,
    acked: Arc<Mutex<Acked>>,
    reader: Option<JoinHandle<()>>,
}

impl Workload {
    pub(super) fn start(file: &Path, durability: Durability) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "needs_root::workload::child_takes_events_to_the_ledger"]);
        command.args(["--nocapture", "--test-threads=1"]).env(FILE, file).stdout(Stdio::piped());
        if durability == Durability::ProcessEnd {
            command.env(LOSSY, "1");
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let acked = Arc::<Mutex<Acked>>::default();
        let log = acked.clone();
        let reader = thread::spawn(move || {
            for line in lines {
                // What else the child prints is no answer.
                let _ = log.lock().unwrap().read(&line);
            }
        });
        Workload { child, acked, reader: Some(reader) }
    }

    /// What was answered so far. Waits until it is more than `before` in every store.
    pub(super) async fn acked_after(&mut self, before: &Acked) -> Acked {
        loop {
            {
                let now: MutexGuard<'_, Acked> = self.acked.lock().unwrap();
                if now.recorded.len() > before.recorded.len() && now.acked.len() > before.acked.len() {
                    return now.clone();
                }
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the child works until it is killed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// The event of a build that the child recorded.
pub(super) fn event_of(id: BuildId) -> Event {
    let mut build = build("acme", "site", 1);
    build.id = id;
    event(build)
}

#[tokio::test]
async fn child_takes_events_to_the_ledger() {
    let Some(file) = env::var_os(FILE).map(PathBuf::from) else { return };
    let durability = if env::var_os(LOSSY).is_some() { Durability::ProcessEnd } else { Durability::PowerCut };
    let options = SqliteOptions { durability, ..SqliteOptions::default() };
    let store = SqliteStore::open(file, options, Arc::new(SystemClock::new())).await.unwrap();
    let (outbox, queue, ledger) = (store.outbox(publisher("api")).await.unwrap(), store.queue(), store.ledger());
    let Lead::Held { epoch } = ledger.lead(&holder("child"), Duration::from_secs(3600)).await.unwrap() else {
        panic!("nobody else leads")
    };
    println!();
    tokio::join!(record(&outbox), publish(&outbox, &queue), admit(&queue, &ledger, epoch));
}

async fn record(outbox: &SqliteOutbox) {
    loop {
        let event = event_of(BuildId::generate());
        let recorded = outbox.record(&[event]).await.unwrap().remove(0);
        println!("recorded {} {}.", recorded.place.seq, recorded.build);
    }
}

async fn publish(outbox: &SqliteOutbox, queue: &SqliteQueue) {
    loop {
        let pending = outbox.pending(0, BATCH).await.unwrap();
        let Some(last) = pending.last() else { continue };
        queue.publish(&pending).await.unwrap();
        pending.iter().for_each(|message| println!("published {}.", message.place.seq));
        outbox.published(last.place.seq).await.unwrap();
    }
}

async fn admit(queue: &SqliteQueue, ledger: &SqliteLedger, epoch: LeaderEpoch) {
    loop {
        let deliveries = queue.receive(BATCH, Duration::from_secs(1)).await.unwrap();
        let (messages, receipts): (Vec<_>, Vec<_>) =
            deliveries.into_iter().map(|Delivery { message, receipt, .. }| (message, receipt)).unzip();
        let admissions = ledger.admit(epoch, &messages).await.unwrap();
        for (message, admission) in messages.iter().zip(admissions) {
            if let Admission::Admitted { rank } = admission {
                println!("admitted {} {}.", message.place.seq, rank.0);
            }
        }
        queue.ack(&receipts).await.unwrap();
        messages.iter().for_each(|message| println!("acked {}.", message.place.seq));
    }
}
