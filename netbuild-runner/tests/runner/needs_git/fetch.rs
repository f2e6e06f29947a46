//! What is fetched, from where, and whose fault it is when not.

use std::os::unix::fs::PermissionsExt;

use netbuild_core::model::{Cause, Outcome, RunPhase};

use super::bench::{Attempt, Bench, cause, evidence};
use super::git_server::GitServer;
use super::repository::Repository;

const SUCCEEDED: Outcome = Outcome::Succeeded { deploy: None };

/// A repository with a branch, tags and two commits.
fn repository() -> (Repository, String, String) {
    let repository = Repository::new();
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["tag", "light"]);
    repository.git(&["tag", "--annotate", "noted", "--message", "x"]);
    repository.git(&["tag", "main-of-tags"]);
    repository.write("index.md", "two");
    let second = repository.commit("two");
    repository.git(&["branch", "fix/slash"]);
    // A tag with the name of a branch, on another commit.
    repository.git(&["tag", "main", &first]);
    (repository, first, second)
}

async fn fetches(attempt: Attempt, commit: &str, text: &str) {
    let report = attempt.run().await;
    assert_eq!(report.outcome, SUCCEEDED);
    assert_eq!(report.commit.as_deref(), Some(commit));
    assert_eq!(std::fs::read_to_string(attempt.work("index.md")).unwrap(), text);
    assert_eq!(std::fs::read_link(attempt.work("link")).unwrap().to_str(), Some("index.md"));
    let mode = std::fs::metadata(attempt.work("docs/build.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "executable as in the commit");
    assert_eq!(attempt.log(), format!("{commit}\n"), "the command sees the commit");
}

async fn all_revisions(bench: &Bench, url: &str, repository: &(Repository, String, String)) {
    let (_, first, second) = repository;
    let table = [
        ("main", second, "two"),
        ("refs/heads/main", second, "two"),
        ("HEAD", second, "two"),
        ("fix/slash", second, "two"),
        ("light", first, "one"),
        ("noted", first, "one"),
        ("refs/tags/noted", first, "one"),
        ("refs/tags/main", first, "one"),
        (first, first, "one"),
        (second, second, "two"),
    ];
    for (revision, commit, text) in table {
        println!("{url} {revision}");
        let attempt = bench.attempt(url, "echo $NETBUILD_COMMIT").revision(revision);
        fetches(attempt, commit, text).await;
    }
}

#[tokio::test]
async fn branches_tags_and_commits_over_http() {
    let (bench, repository) = (Bench::new().await, repository());
    let server = GitServer::new(&repository.0).await;
    all_revisions(&bench, &server.url("site.git"), &repository).await;
}

#[tokio::test]
async fn branches_tags_and_commits_of_a_server_that_says_all_in_bands() {
    let (bench, repository) = (Bench::new().await, repository());
    repository.0.git(&["config", "uploadpack.allowSidebandAll", "true"]);
    let server = GitServer::new(&repository.0).await;
    all_revisions(&bench, &server.url("site.git"), &repository).await;
}

#[tokio::test]
async fn branches_tags_and_commits_of_a_local_repository() {
    let (bench, repository) = (Bench::new().await, repository());
    all_revisions(&bench, &repository.0.url(), &repository).await;
}

#[tokio::test]
async fn only_the_commit_comes_without_its_history() {
    let (bench, (repository, first, _)) = (Bench::new().await, repository());
    let server = GitServer::new(&repository).await;
    let attempt = bench.attempt(&server.url("site.git"), "true").revision("refs/heads/main");
    assert_eq!(attempt.run().await.outcome, SUCCEEDED);
    let clone = super::repository::git().arg("-C").arg(attempt.work("")).args(["log", "--format=%s"]).output().unwrap();
    assert_eq!(String::from_utf8(clone.stdout).unwrap(), "two\n", "and it is a repository that git can read");
    let lacks = super::repository::git().arg("-C").arg(attempt.work("")).args(["cat-file", "-e", &first]).output();
    assert!(!lacks.unwrap().status.success());
}

#[tokio::test]
async fn a_failed_fetch_has_an_owner() {
    let (bench, (repository, ..)) = (Bench::new().await, repository());
    let server = GitServer::new(&repository).await;
    let nobody = "http://127.0.0.1:9/site.git".to_owned();
    let missing = "f".repeat(40);
    let table = [
        (server.url("site.git"), "nowhere", Cause::SourceNotFound),
        (server.url("site.git"), missing.as_str(), Cause::SourceNotFound),
        (server.url("missing.git"), "main", Cause::SourceNotFound),
        (server.url("denied.git"), "main", Cause::SourceDenied),
        (server.url("closed.git"), "main", Cause::SourceDenied),
        (server.url("broken.git"), "main", Cause::SourceUnavailable),
        (nobody, "main", Cause::SourceUnavailable),
        (repository.url(), "nowhere", Cause::SourceNotFound),
        (repository.url(), missing.as_str(), Cause::SourceNotFound),
        ("file:///nonexistent".to_owned(), "main", Cause::SourceNotFound),
        ("ssh://git@127.0.0.1/site.git".to_owned(), "main", Cause::SourceRefused),
    ];
    for (url, revision, expected) in table {
        let report = bench.attempt(&url, "touch ran").revision(revision).run().await;
        println!("{url} {revision}: {}", evidence(&report));
        assert_eq!(cause(&report), expected, "{url} {revision}: {}", evidence(&report));
        assert_eq!(report.phases.iter().map(|time| time.phase).collect::<Vec<_>>(), [RunPhase::Fetch]);
    }
}

#[tokio::test]
async fn a_local_repository_needs_the_hosts_leave() {
    let (bench, (repository, ..)) = (Bench::new().await, repository());
    let attempt = bench.attempt(&repository.url(), "true").rules(|rules| rules.allow_file = false);
    let report = attempt.run().await;
    assert_eq!(cause(&report), Cause::SourceRefused);
    assert!(!attempt.work("").exists());
}

#[tokio::test]
async fn submodules_are_refused_by_name() {
    let (bench, (repository, first, _)) = (Bench::new().await, repository());
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{first},vendor/theme")]);
    repository.git(&["commit", "--quiet", "--message", "submodule"]);
    let report = bench.attempt(&repository.url(), "true").run().await;
    assert_eq!(cause(&report), Cause::SourceRefused);
    assert!(evidence(&report).starts_with("vendor/theme: "), "{}", evidence(&report));
}

#[tokio::test]
async fn a_repository_starts_no_programs() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    repository.write(".gitattributes", "* filter=evil\n");
    repository.commit("filter");
    let marker = repository.path().join("ran");
    repository.git(&["config", "filter.evil.smudge", &format!("touch {}", marker.display())]);
    repository.git(&["config", "core.fsmonitor", &format!("touch {}", marker.display())]);
    assert_eq!(bench.attempt(&repository.url(), "true").run().await.outcome, SUCCEEDED);
    assert!(!marker.exists());
}
