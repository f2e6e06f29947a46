//! Repository hosts that redirect, stall, flood or lie: a clear error each, and nothing is executed.

use std::time::Duration;

use netbuild_core::model::{Cause, Outcome, RunPhase};

use super::bench::{Bench, cause, evidence};
use super::hostile_server::HostileServer;
use super::repository::Repository;

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let server = HostileServer::new(&repository).await;
    let report = bench.attempt(&server.url("moved.git"), "true").run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None });
}

#[tokio::test]
async fn no_redirect_to_another_place_is_followed() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let server = HostileServer::new(&repository).await;
    let place = server.elsewhere.as_str();
    let table = [
        ("away-301.git", place),
        ("away-302.git", place),
        ("away-307.git", place),
        ("split.git", place),
        ("file.git", "a `file` URL"),
        ("circle.git", "itself"),
    ];
    for (name, to) in table {
        let attempt = bench.attempt(&server.url(name), "touch ran");
        let report = attempt.run().await;
        println!("{name}: {}", evidence(&report));
        assert_eq!(cause(&report), Cause::SourceRefused, "{name}: {}", evidence(&report));
        assert!(evidence(&report).contains("redirects to another place"), "{name}: {}", evidence(&report));
        assert!(evidence(&report).contains(to), "{name}: {}", evidence(&report));
        assert!(!attempt.work("ran").exists());
    }
    assert_eq!(server.asked_elsewhere(), 0, "nobody may follow");
}

#[tokio::test]
async fn what_is_no_answer_of_git_has_an_owner() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let server = HostileServer::new(&repository).await;
    let table = [
        ("giant.git", Cause::SourceRefused, "an answer of more than"),
        ("garbage.git", Cause::SourceUnavailable, "the answer is malformed: an object cannot be inflated"),
        ("lines.git", Cause::SourceUnavailable, "a line of the answer does not begin with its length"),
        ("error.git", Cause::SourceUnavailable, "no such luck"),
        ("html.git", Cause::SourceRefused, "does not speak Git's smart HTTP protocol"),
    ];
    for (name, expected, why) in table {
        let report = bench.attempt(&server.url(name), "touch ran").run().await;
        println!("{name}: {}", evidence(&report));
        assert_eq!(cause(&report), expected, "{name}: {}", evidence(&report));
        assert!(evidence(&report).contains(why), "{name}: {}", evidence(&report));
        assert_eq!(report.phases.iter().map(|time| time.phase).collect::<Vec<_>>(), [RunPhase::Fetch]);
    }
}

#[tokio::test]
async fn a_host_that_stalls_is_bounded_by_the_run_limit() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let server = HostileServer::new(&repository).await;
    for name in ["silent.git", "drip.git"] {
        let attempt = bench.attempt(&server.url(name), "touch ran").rules(|it| it.run = Duration::from_secs(1));
        let report = attempt.run().await;
        assert_eq!(cause(&report), Cause::SourceUnavailable, "{name}: {}", evidence(&report));
        assert!(!attempt.work("ran").exists());
    }
}

#[tokio::test]
async fn a_source_has_bounds() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let noise: String = (0..20_000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    repository.write("noise", &noise);
    repository.commit("noise");
    let server = HostileServer::new(&repository).await;
    for url in [server.url("site.git"), repository.url()] {
        let files = bench.attempt(&url, "true").rules(|rules| rules.source_files = 3).run().await;
        assert_eq!(cause(&files), Cause::SourceRefused, "{url}");
        assert!(evidence(&files).contains("more files than the 3"), "{}", evidence(&files));
        let bytes = bench.attempt(&url, "true").rules(|rules| rules.source_bytes = 50_000).run().await;
        assert_eq!(cause(&bytes), Cause::SourceRefused, "{url}: {}", evidence(&bytes));
        assert!(evidence(&bytes).contains("source_bytes"), "{}", evidence(&bytes));
        let enough = bench.attempt(&url, "true").rules(|rules| rules.source_files = 4).run().await;
        assert_eq!(enough.outcome, Outcome::Succeeded { deploy: None });
    }
}
