//! The quickstart as its users run it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Bench, QUICK, json, program};

#[test]
fn the_second_deploy_uploads_only_what_its_commit_changed() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let run = || Command::new(program()).args(["--json", "--state"]).arg(&state).output().unwrap();
    let output = run();
    let summary = json(&output);
    assert!(output.status.success(), "{summary}");
    let [first, second] = [&summary["builds"][0]["deploy"], &summary["builds"][1]["deploy"]];
    assert_eq!(first["uploaded"], first["files"]);
    assert_eq!((&second["files"], &second["uploaded"]), (&303.into(), &6.into()), "{summary}");
    let shown = std::fs::read_link(state.join("site")).unwrap();
    assert_eq!(Some(shown.to_str().unwrap()), second["path"].as_str(), "the newest build is the visible one");
    assert!(shown.join("index.html").is_file());
    assert!(Path::new(first["path"].as_str().unwrap()).join("index.html").is_file(), "the earlier deploy stays");

    let again = json(&run());
    assert_ne!(again["builds"][0]["id"], summary["builds"][0]["id"], "the same command again is a new run");
    assert_eq!(again["builds"][1]["deploy"]["uploaded"], 0, "nothing of it is new to the origin");
}

#[test]
fn a_failing_command_is_the_customers_keeps_its_code_and_shows_the_end_of_its_log() {
    let bench = Bench::new();
    let output = bench.quickstart("echo about to fail; exit 3", &[]).output().unwrap();
    let build = &json(&output)["builds"][0];
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (&build["status"], &build["owner"], &build["exit_code"]),
        (&"failed".into(), &"customer".into(), &3.into())
    );
    assert_eq!(build["attempts"].as_array().unwrap().len(), 1, "it is not retried for them");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the end of its log:\n  about to fail"), "{said}");
    bench.assert_nothing_runs();
}

#[test]
fn nobody_else_reads_the_database_the_logs_or_the_origin() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let output = bench.quickstart(QUICK, &[]).output().unwrap();
    assert!(output.status.success(), "{}", json(&output));
    // The rest is the deploys that it shows, and attempts, which keep their own.
    for name in ["netbuild.db", "lock", "gateway.address", "logs", "origin"] {
        let mode = bench.state().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

#[test]
fn a_state_folder_in_use_is_refused_by_name_and_a_missing_ref_is_the_customers() {
    let bench = Bench::new();
    let mut first = bench.quickstart("sleep 30", &["--grace", "1s"]).stdout(Stdio::null()).spawn().unwrap();
    crate::support::wait_for("the first to begin", || bench.state().join("netbuild.db").exists().then_some(()));
    let second = bench.quickstart(QUICK, &[]).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("another process works in"), "{said}");
    first.kill().unwrap();
    first.wait().unwrap();

    let other = Bench::new();
    let output = other.quickstart(QUICK, &["--ref", "no-such-branch"]).output().unwrap();
    let build = &json(&output)["builds"][0];
    assert_eq!((&build["owner"], &build["attempts"][0]["outcome"]), (&"customer".into(), &"source_not_found".into()));
    // The killed one's runner ends by itself when its lease is over; the next run of the same command would adopt it.
    bench.end_processes();
}

#[test]
fn the_custom_policy_starts_urgent_builds_first() {
    let output = Command::new(program().with_file_name("custom_policy")).arg("--json").output().unwrap();
    let result = json(&output);
    assert!(output.status.success(), "{result}");
    assert_eq!(result["started"], serde_json::json!([0, 9, 5, 0, 0]));
}
