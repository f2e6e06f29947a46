//! The quickstart killed: at named points, at random, frozen, and by Ctrl-C.

use std::process::Child;
use std::time::Duration;

use crate::support::{Bench, QUICK, is_frozen, json, tally, wait_for};
use netbuild_core::model::{AttemptState, BuildRecord, BuildState, Ending, Outcome};
use netbuild_core::port::{BuildQuery, History, SystemClock};
use netbuild_examples::faults::Point;
use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// What the ledger of a bench holds.
pub(crate) fn records(bench: &Bench) -> Vec<BuildRecord> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = std::sync::Arc::new(SystemClock::new());
        let path = bench.state().join("netbuild.db");
        let store = SqliteStore::open(path, SqliteOptions::default(), clock).await.unwrap();
        store.ledger().builds(&BuildQuery::default()).await.unwrap()
    })
}

/// Every build deployed, by one successful attempt, and nothing left behind. A build that was overtaken while its leader
/// was frozen stays invisible behind the newer one.
fn assert_each_took_effect_once(bench: &Bench, builds: usize, may_be_overtaken: bool) {
    let records = records(bench);
    assert_eq!(records.len(), builds, "each build is in the ledger once");
    for record in &records {
        let BuildState::Ended { ending, .. } = &record.state else { panic!("not over: {record:#?}") };
        let overtaken = may_be_overtaken && matches!(ending, Ending::Superseded { .. });
        assert!(overtaken || matches!(ending, Ending::Deployed { .. }), "{record:#?}");
        let succeeded = |state: &AttemptState| matches!(state.outcome(), Some(Outcome::Succeeded { .. }));
        let successes = record.attempts.iter().filter(|attempt| succeeded(&attempt.state)).count();
        assert_eq!(successes, 1, "one attempt took effect: {record:#?}");
    }
    bench.assert_nothing_runs();
}

#[test]
fn killed_at_each_named_point_the_same_command_finishes_the_build_once() {
    for point in Point::ALL {
        let bench = Bench::new();
        let killed = bench.quickstart(QUICK, &[]).env("NETBUILD_KILL_AT", point.name()).output().unwrap();
        assert!(!killed.status.success(), "{}: the fault did not happen", point.name());
        let finished = bench.quickstart(QUICK, &[]).output().unwrap();
        let summary = json(&finished);
        assert!(finished.status.success(), "{}: {summary}", point.name());
        assert_eq!(summary["builds"][0]["status"], "deployed", "{}: {summary}", point.name());
        assert_each_took_effect_once(&bench, 1, false);
    }
}

#[test]
fn killed_at_random_points_no_build_is_lost_and_none_takes_effect_twice() {
    let kills = if std::env::var_os("NETBUILD_SOAK").is_some() { 200 } else { 20 };
    let bench = Bench::new();
    let mut attempts = Vec::new();
    for n in 0..kills {
        // Spread over the whole life of a build: from before the state folder exists to after the end.
        let after = Duration::from_millis(n * 7919 % 1000);
        let cycle = format!("CYCLE={n}");
        let mut killed = bench.quickstart(QUICK, &["--env", &cycle]).spawn().unwrap();
        std::thread::sleep(after);
        signal(&killed, Signal::KILL);
        killed.wait().unwrap();
        let finished = bench.quickstart(QUICK, &["--env", &cycle]).output().unwrap();
        let summary = json(&finished);
        assert!(finished.status.success(), "killed after {after:?}: {summary}");
        attempts.push(summary["builds"][0]["attempts"].as_array().unwrap().len());
    }
    println!("{kills} kills; builds by their number of attempts: {:?}", tally(attempts));
    let kills = usize::try_from(kills).unwrap();
    let builds = records(&bench).len();
    // A run that was killed after its end had made its build already; the second run of the same command made another.
    assert!(builds >= kills, "a build was lost");
    assert_each_took_effect_once(&bench, builds, false);
}

#[test]
fn a_frozen_leader_that_wakes_writes_and_activates_nothing() {
    for point in Point::ALL {
        let bench = Bench::new();
        // The frozen host's runners get no answer either, and stop when their lease is over.
        let shared = ["--shared", "--lease", "3s"];
        let wake = bench.folder.path().join("wake");
        let mut frozen = bench.quickstart(QUICK, &shared);
        frozen.env("NETBUILD_FREEZE_AT", point.name()).env("NETBUILD_FREEZE_UNTIL", &wake);
        let mut frozen = frozen.spawn().unwrap();
        // A process that is frozen while it holds a lock of the system, of the store or of a folder, keeps it until it wakes
        // or dies, and others wait: such a freeze is no test of leases, so it is moved on by a moment.
        wait_for("the leader to freeze without a lock", || {
            let free = is_frozen(&frozen) && bench.is_unlocked();
            if is_frozen(&frozen) && !free {
                signal(&frozen, Signal::CONT);
            }
            free.then_some(())
        });
        // A follower leads for as long as its own build takes; the frozen one's may need another.
        let mut followers = 0;
        while followers == 0 || !all_over(&bench) {
            followers += 1;
            assert!(followers < 10, "{}: the frozen leader's build does not end", point.name());
            let who = format!("WHO=follower-{followers}");
            // Long enough for the backoff of the frozen one's next attempt.
            let slow = format!("sleep 1; {QUICK}");
            let follower = bench.quickstart(&slow, &[&shared[..], &["--env", &who]].concat()).output().unwrap();
            assert!(follower.status.success(), "{}: {}", point.name(), String::from_utf8_lossy(&follower.stderr));
        }
        let before = records(&bench);
        std::fs::write(&wake, "").unwrap();
        signal(&frozen, Signal::CONT);
        let woken = frozen.wait().unwrap();
        assert!(woken.success(), "{}: it finds its build deployed by the follower", point.name());
        assert_eq!(records(&bench), before, "{}: it wrote something", point.name());
        assert_each_took_effect_once(&bench, 1 + followers, true);
    }
}

fn all_over(bench: &Bench) -> bool {
    records(bench).iter().all(|record| matches!(record.state, BuildState::Ended { .. }))
}

#[test]
fn ctrl_c_ends_the_whole_group_and_the_ledger_says_cancelled() {
    let bench = Bench::new();
    // Ignores TERM, as do its children: only KILL ends it.
    let command = "trap '' TERM; (while :; do sleep 1; done) & echo deaf; while :; do sleep 1; done";
    let quickstart = bench.quickstart(command, &["--grace", "1s"]).spawn().unwrap();
    wait_for("the command to run", || bench.processes().iter().any(|(_, line)| line.contains("sleep")).then_some(()));
    signal(&quickstart, Signal::INT);
    let output = quickstart.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(json(&output)["builds"][0]["status"], "cancelled");
    assert!(matches!(records(&bench)[0].state, BuildState::Ended { ending: Ending::Cancelled { .. }, .. }));
    bench.assert_nothing_runs();
}
