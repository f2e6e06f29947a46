//! The host frozen for longer than its runners' lease.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use netbuild_core::model::{AttemptFolder, BuildState, Cause, Ending, ExitRecord, Outcome};
use rustix::process::Signal;

use crate::kill::{records, signal};
use crate::support::{Bench, QUICK, is_frozen, json, wait_for};

const LEASE: Duration = Duration::from_secs(6);
const GRACE: Duration = Duration::from_secs(8);

/// The exit record of the only attempt.
fn exit_record(bench: &Bench) -> Option<ExitRecord> {
    let folders = std::fs::read_dir(bench.state().join("attempts")).ok()?;
    let records = folders.flatten().filter_map(|folder| std::fs::read(folder.path().join(AttemptFolder::EXIT)).ok());
    let records: Vec<_> = records.map(|record| serde_json::from_slice(&record).unwrap()).collect();
    assert!(records.len() <= 1);
    records.into_iter().next()
}

#[test]
fn runners_of_a_frozen_host_end_within_their_lease_and_it_settles_them_when_it_wakes() {
    let bench = Bench::new();
    // The command may run as a user of its own, who writes where everybody may.
    let open = bench.folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let begun = open.join("begun");
    // The first run never ends and ignores TERM; the second finds the mark of the first.
    let command =
        format!("if test -e $BEGUN; then {QUICK}; else touch $BEGUN; trap '' TERM; while :; do sleep 0.1; done; fi");
    let mark = format!("BEGUN={}", begun.display());
    let times = ["--lease", &format!("{}s", LEASE.as_secs()), "--grace", &format!("{}s", GRACE.as_secs())];
    let host = bench.quickstart(&command, &[&times[..], &["--env", &mark]].concat()).spawn().unwrap();
    wait_for("the command to run", || begun.exists().then_some(()));

    // A host that is frozen while it writes could hold a lock: this one waits for its runner and writes nothing.
    signal(&host, Signal::STOP);
    let frozen = Instant::now();
    wait_for("the host to freeze", || is_frozen(&host).then_some(()));
    let record = wait_for("the runner's record", || exit_record(&bench));
    bench.assert_nothing_runs();
    // Other hosts take the build for over after lease and grace. The lease began before the freeze.
    assert!(frozen.elapsed() <= LEASE + GRACE, "it took {:?}", frozen.elapsed());
    assert_eq!(record.report.outcome.failure().map(|failure| failure.cause.clone()), Some(Cause::LeaseLost));

    signal(&host, Signal::CONT);
    let output = host.wait_with_output().unwrap();
    let summary = json(&output);
    assert!(output.status.success(), "{summary}");
    let [record] = &records(&bench)[..] else { panic!("one build") };
    let outcomes: Vec<_> = record.attempts.iter().map(|attempt| attempt.state.outcome().cloned()).collect();
    let [Some(Outcome::Failed(first)), Some(Outcome::Succeeded { .. })] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(first.cause, Cause::LeaseLost, "settled as its runner left it");
    assert!(matches!(record.state, BuildState::Ended { ending: Ending::Deployed { .. }, .. }), "{record:#?}");
    bench.assert_nothing_runs();
}
