//! The command under a user of its own. `scripts/test` skips this module by its name where there is no root.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use netbuild_core::model::{Cause, Outcome};

use super::super::bench::{Attempt, Bench, cause};
use super::super::repository::Repository;

/// A user id that no other test has, of this process or another one.
fn user() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    1_000_000_000 + std::process::id() % 1_000_000 * 100 + NEXT.fetch_add(1, Ordering::Relaxed)
}

/// How many processes a user has; the dead do not count.
fn processes(user: u32) -> usize {
    let line = format!("\nUid:\t{user}\t");
    let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("status"));
    let statuses = entries.filter_map(|path| std::fs::read_to_string(path).ok());
    statuses.filter(|status| status.contains(&line) && !status.contains("\nState:\tZ")).count()
}

#[tokio::test]
async fn the_command_has_its_users_rights_and_no_others() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let foreign = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(foreign.path(), repository.path().join("outside")).unwrap();
    repository.commit("a link that leads out");
    let user = user();
    let command = "cat /proc/self/status /proc/self/limits; touch made $HOME/made $TMPDIR/made; echo >> index.md";
    let attempt = bench.attempt(&repository.url(), command).rules(|rules| rules.processes = 77).user(user);
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None }, "{}", attempt.log());
    let log: String = attempt.log().split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        format!("Uid: {user} {user} {user} {user} Gid: {user} {user} {user} {user} "),
        "Groups: NStgid:".to_owned(),
        "CapEff: 0000000000000000".to_owned(),
        "NoNewPrivs: 1".to_owned(),
        "Umask: 0022".to_owned(),
        "Max core file size 0 0 ".to_owned(),
        "Max processes 77 77 ".to_owned(),
    ] {
        assert!(log.contains(&expected), "{expected} in {log}");
    }
    for name in ["work", "work/made", "work/docs/build.sh", "work/outside", "home", "home/made", "tmp/made"] {
        let metadata = std::fs::symlink_metadata(attempt.path(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (user, user), "{name}");
    }
    assert_eq!(foreign.path().metadata().unwrap().uid(), 0, "links are not followed");
    for name in ["log", "exit.json", "runner.json", "lock"] {
        let metadata = attempt.path(name).metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (0, 0o600), "{name}");
    }
}

/// What a command tries on the runner and on others. `$OTHER` is the folder of another attempt, `$STATE` one of the host.
const TRIES: &[&str] = &[
    ": < /proc/$PPID/environ",
    ": < /proc/$PPID/mem",
    ": < /proc/$PPID/maps",
    ": < /proc/$PPID/fd/2",
    ": < /proc/$PPID/cwd/.",
    ": < /proc/$PPID/root/.",
    ": < $PWD/../attempt.json",
    ": < $PWD/../runner.json",
    ": < $PWD/../lock",
    ": < $PWD/../log",
    ": >> $PWD/../log",
    ": > $PWD/../exit.json",
    ": > $PWD/../exit.json.new",
    "ln -s index.md $PWD/../link",
    "mkdir $PWD/../folder",
    "rm -f $PWD/../attempt.json && test ! -e $PWD/../attempt.json",
    ": < $OTHER/attempt.json",
    ": < $OTHER/work/index.md",
    ": > $OTHER/work/index.md",
    ": < $STATE/key",
    ": >> $STATE/key",
];

fn tries() -> String {
    TRIES.iter().map(|line| format!("({line}) 2> /dev/null && echo 'done: {line}'\n")).collect::<String>() + "true"
}

/// A folder with a private file in it, in a folder that everybody may enter.
fn state() -> tempfile::TempDir {
    let state = tempfile::tempdir().unwrap();
    std::fs::set_permissions(state.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    std::fs::write(state.path().join("key"), "canary").unwrap();
    std::fs::set_permissions(state.path().join("key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    state
}

fn told(mut attempt: Attempt, other: &Attempt, state: &tempfile::TempDir) -> Attempt {
    for (name, path) in [("OTHER", other.path("")), ("STATE", state.path().to_owned())] {
        attempt.job.env.insert(name.to_owned(), path.to_str().unwrap().to_owned());
    }
    attempt
}

#[tokio::test]
async fn neither_the_runner_nor_other_attempts_can_be_read_or_written() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let (state, other) = (state(), bench.attempt(&repository.url(), "true").user(user()));
    other.run().await;
    let attempt = told(bench.attempt(&repository.url(), &tries()).user(user()), &other, &state);
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None });
    assert_eq!(attempt.log(), "");

    // The same as the runner's user: what is refused above is refused because of the user.
    let attempt = told(bench.attempt(&repository.url(), &tries()), &other, &state);
    attempt.start().await.wait().await.unwrap();
    let done = attempt.log().lines().count();
    assert_eq!(done, TRIES.len(), "{}", attempt.log());
}

#[tokio::test]
async fn signals_reach_the_users_own_processes_alone() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    for signal in ["KILL", "TERM", "STOP"] {
        let command = format!("sleep 1000 & kill -{signal} $PPID; kill -{signal} -$PPID; kill -{signal} -1; exit 7");
        let user = user();
        let attempt = bench.attempt(&repository.url(), &command).user(user);
        assert_eq!(cause(&attempt.run().await), Cause::CommandFailed { code: 7 }, "{signal}");
        assert_eq!(processes(user), 0);
    }
    assert_eq!(bench.control.reports.lock().unwrap().len(), 3, "the runner reported each");
}

#[tokio::test]
async fn everything_of_the_user_is_gone_before_the_end_is_told() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let user = user();
    // Nothing but its user ties it to the attempt.
    let mut stray = std::process::Command::new("sleep")
        .arg("1000")
        .env_clear()
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .uid(user)
        .process_group(0)
        .spawn()
        .unwrap();
    let report = bench.attempt(&repository.url(), "true").user(user).run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None });
    assert_eq!(processes(user), 0);
    stray.wait().unwrap();
}

#[tokio::test]
async fn a_fork_bomb_is_bounded_and_ends_with_its_attempt() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let user = user();
    let command = "bomb() { bomb | bomb & }; bomb 2> /dev/null; sleep 1; exit 7";
    let attempt = bench.attempt(&repository.url(), command).rules(|rules| rules.processes = 50).user(user);
    assert!(matches!(cause(&attempt.run().await), Cause::CommandFailed { .. }));
    assert_eq!(processes(user), 0);
}

#[tokio::test]
async fn nothing_in_the_commands_environment_loosens_its_bounds() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let unbound = "int setrlimit() { return 0; } int setrlimit64() { return 0; } int prlimit() { return 0; } int prlimit64() { return 0; }";
    std::fs::write(repository.path().join("unbound.c"), unbound).unwrap();
    let library = repository.path().join("unbound.so");
    let mut compiler = std::process::Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-w", "-o"]).arg(&library).arg(repository.path().join("unbound.c"));
    assert!(compiler.status().unwrap().success());
    let command = "echo preloaded: $LD_PRELOAD; cat /proc/self/limits";
    let attempt = bench.attempt(&repository.url(), command).rules(|rules| rules.processes = 77).user(user());
    let attempt = attempt.env("LD_PRELOAD", library.to_str().unwrap());
    assert_eq!(attempt.run().await.outcome, Outcome::Succeeded { deploy: None });
    let log = attempt.log();
    assert!(log.contains("preloaded: /"), "{log}");
    let limit = log.lines().find(|line| line.starts_with("Max processes")).unwrap();
    assert_eq!(limit.split_whitespace().collect::<Vec<_>>()[2..4], ["77", "77"]);
}

#[tokio::test]
async fn a_command_that_stops_all_it_can_is_ended_all_the_same() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let user = user();
    // Each stops all others of the user, the command too, and leaves it to a child: no look finds the same one twice.
    let command =
        "chain() { kill -STOP -1; kill -STOP -1; (chain) & }; (chain) < /dev/null > /dev/null 2>&1 & sleep 1000";
    let attempt = bench.attempt(&repository.url(), command).user(user);
    let attempt = attempt.rules(|rules| (rules.run, rules.grace) = (Duration::from_secs(1), Duration::from_secs(1)));
    assert_eq!(cause(&attempt.run().await), Cause::RunTimeout);
    assert_eq!(processes(user), 0);
}
