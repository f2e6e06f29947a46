//! A project with dependencies of a real registry, built twice. It downloads them from crates.io: `scripts/test` skips
//! this module by its name where that cannot be reached.

use std::path::Path;

use netbuild_core::model::{CacheName, CachePath, CacheSpec, Cause, Outcome, PublishPath, Report, RunPhase};

use super::bench::{Attempt, Bench, cause};
use super::cache::story;
use super::repository::Repository;

const MANIFEST: &str = r#"
[package]
name = "site"
version = "1.0.0"
edition = "2021"

[dependencies]
serde = { version = "=1.0.228", features = ["derive"] }
serde_json = "=1.0.145"
"#;

const LOCK: &str = include_str!("dependencies.lock");

const MAIN: &str = r#"
#[derive(serde::Serialize)]
struct Page<'a> {
    title: &'a str,
}

fn main() {
    println!("{}", serde_json::to_string(&Page { title: "page" }).unwrap());
}
"#;

fn repository() -> Repository {
    let repository = Repository::new();
    repository.write("Cargo.toml", MANIFEST);
    repository.write("Cargo.lock", LOCK);
    repository.write("src/main.rs", MAIN);
    repository.commit("a project with dependencies");
    repository
}

/// A build with the toolchain of these tests, with nothing of this machine's crates.
fn build(bench: &Bench, repository: &Repository) -> Attempt {
    let toolchain = Path::new(env!("CARGO")).parent().unwrap().display();
    // Cargo notes absolute paths of what lies outside of the workspace, and the home is another one in each build.
    let command = "export CARGO_HOME=$PWD/.cargo-home; cargo build --locked 2>&1 && ./target/debug/site";
    bench.attempt(&repository.url(), command).env("PATH", &format!("{toolchain}:/usr/local/bin:/usr/bin:/bin"))
}

fn cached(mut attempt: Attempt) -> Attempt {
    attempt.job.caches.push(CacheSpec {
        name: CacheName::new("deps").unwrap(),
        paths: [".cargo-home/registry", "target"].map(|path| CachePath::parse(path).unwrap()).into(),
        lock_files: vec![PublishPath::parse("Cargo.lock").unwrap()],
    });
    attempt
}

fn seconds(report: &Report, phase: RunPhase) -> f64 {
    report.phases.iter().filter(|time| time.phase == phase).map(|time| time.millis as f64 / 1000.0).sum()
}

#[tokio::test]
async fn the_second_build_of_a_project_with_dependencies_needs_no_registry() {
    let (bench, repository) = (Bench::new().await, repository());
    let first = cached(build(&bench, &repository));
    let first_report = first.run().await;
    assert_eq!(first_report.outcome, Outcome::Succeeded { deploy: None }, "{}", first.log());
    assert_eq!(story(&first.log()), ["nothing is kept yet", "saved"]);
    assert!(first.log().contains("Compiling serde"), "{}", first.log());

    let second = cached(build(&bench, &repository)).env("CARGO_NET_OFFLINE", "true");
    let second_report = second.run().await;
    assert_eq!(second_report.outcome, Outcome::Succeeded { deploy: None }, "{}", second.log());
    assert_eq!(story(&second.log()), ["restored"]);
    assert!(!second.log().contains("Compiling serde"), "what is compiled is kept as well: {}", second.log());
    assert!(second.log().contains(r#"{"title":"page"}"#));

    let without = build(&bench, &repository).env("CARGO_NET_OFFLINE", "true");
    let report = without.run().await;
    assert!(matches!(cause(&report), Cause::CommandFailed { .. }), "it was the cache: {}", without.log());

    for (which, report) in [("first", &first_report), ("second", &second_report)] {
        let [restore, run, save] =
            [RunPhase::Restore, RunPhase::Run, RunPhase::Save].map(|phase| seconds(report, phase));
        let all = restore + run + save;
        println!("{which} build: restore {restore:.2} s + command {run:.2} s + save {save:.2} s = {all:.2} s");
    }
    for line in [first.log(), second.log()].iter().flat_map(|log| log.lines()).filter(|line| line.contains("[netbuild"))
    {
        println!("{line}");
    }
}
