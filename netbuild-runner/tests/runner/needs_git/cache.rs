//! Caches through whole builds: what one build leaves, and the next one finds.

use netbuild_core::model::{CacheScope, Cause, DeployContext, Outcome, RunPhase};

use super::bench::{Attempt, Bench, cause, evidence};
use super::repository::Repository;

/// Makes its dependencies if they are missing, and says which it was.
const INSTALL: &str = "if test -e node_modules/dep; then echo found: $(cat node_modules/dep); else
    mkdir -p node_modules/.bin; cat lock > node_modules/dep; ln -s ../dep node_modules/.bin/dep; echo made; fi";

fn repository() -> Repository {
    let repository = Repository::new();
    repository.write("lock", "1");
    repository.commit("lock");
    repository
}

/// Runs a build that succeeds, and gives its log.
pub(crate) async fn log(attempt: Attempt) -> String {
    let report = attempt.run().await;
    assert!(matches!(report.outcome, Outcome::Succeeded { .. }), "{report:?}\n{}", attempt.log());
    assert!(!attempt.path("caches").exists(), "nothing is left beside the places");
    attempt.log()
}

/// What happened, in the order of the log.
pub(crate) fn story(log: &str) -> Vec<&'static str> {
    const WORDS: [&str; 9] = [
        "nothing is kept yet",
        "restored: ",
        "restored from an older entry: ",
        "not restored: ",
        "broken and not used",
        "not saved: ",
        "saved: ",
        "made",
        "found: ",
    ];
    let word = |line: &str| {
        let text = line.strip_prefix("[netbuild: cache deps: ").unwrap_or(line);
        WORDS.into_iter().find(|word| text.starts_with(word)).map(|word| word.trim_end_matches(": "))
    };
    log.lines().filter_map(word).collect()
}

#[tokio::test]
async fn the_second_build_finds_what_the_first_one_left() {
    let (bench, repository) = (Bench::new().await, repository());
    let build = || bench.attempt(&repository.url(), INSTALL).cache(&["node_modules"], "lock");
    let first = build();
    let report = first.run().await;
    assert_eq!(story(&first.log()), ["nothing is kept yet", "made", "saved"], "{}", first.log());
    let phases: Vec<_> = report.phases.iter().map(|time| time.phase).collect();
    assert_eq!(phases, [RunPhase::Fetch, RunPhase::Restore, RunPhase::Run, RunPhase::Save]);

    let second = build();
    let report = second.run().await;
    assert_eq!(story(&second.log()), ["restored", "found"], "{}", second.log());
    let phases: Vec<_> = report.phases.iter().map(|time| time.phase).collect();
    assert_eq!(phases, [RunPhase::Fetch, RunPhase::Restore, RunPhase::Run], "there is nothing to save");
    assert_eq!(std::fs::read_link(second.work("node_modules/.bin/dep")).unwrap().to_str(), Some("../dep"));
}

#[tokio::test]
async fn another_lock_file_begins_with_the_older_entry_and_gets_its_own() {
    let (bench, repository) = (Bench::new().await, repository());
    let build = || bench.attempt(&repository.url(), INSTALL).cache(&["node_modules"], "lock");
    log(build()).await;
    repository.write("lock", "2");
    repository.commit("two");
    assert_eq!(story(&log(build()).await), ["restored from an older entry", "found", "saved"]);
    assert_eq!(story(&log(build()).await), ["restored", "found"]);
}

#[tokio::test]
async fn two_versions_of_a_toolchain_lie_side_by_side() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let install = "version=$(cat .tool-version); tool=~/.tools/$version
        if test -e $tool/bin/tool; then echo found: $version; else
            rm -rf ~/.tools; mkdir -p $tool/bin; echo $version > $tool/bin/tool; echo made $version; fi";
    let build = async |version: &str| {
        repository.write(".tool-version", version);
        repository.commit(version);
        let attempt = bench.attempt(&repository.url(), install).cache(&["~/.tools"], ".tool-version");
        log(attempt).await
    };
    assert_eq!(story(&build("22").await), ["nothing is kept yet", "made", "saved"]);
    assert_eq!(story(&build("24").await), ["restored from an older entry", "made", "saved"]);
    for version in ["22", "24", "22"] {
        let log = build(version).await;
        assert_eq!(story(&log), ["restored", "found"]);
        assert!(log.contains(&format!("found: {version}\n")), "{log}");
    }
}

#[tokio::test]
async fn a_fork_reads_the_bases_cache_and_writes_only_its_own() {
    let (bench, repository) = (Bench::new().await, repository());
    let fork = |command: &str| {
        let scope = CacheScope::Untrusted(DeployContext::Preview("7".to_owned()));
        bench.attempt_in(scope, &repository.url(), command).cache(&["node_modules"], "lock")
    };
    let base = || bench.attempt(&repository.url(), INSTALL).cache(&["node_modules"], "lock");
    log(base()).await;
    assert_eq!(story(&log(fork("echo poison > node_modules/dep")).await), ["restored", "saved"]);
    assert!(log(base()).await.contains("found: 1\n"), "the base's is as it was");
    assert!(log(fork(INSTALL)).await.contains("found: poison\n"), "its own");
}

#[tokio::test]
async fn what_the_source_has_itself_stays() {
    let (bench, repository) = (Bench::new().await, repository());
    let build = |command: &str| bench.attempt(&repository.url(), command).cache(&["node_modules"], "lock");
    log(build(INSTALL)).await;
    repository.write("node_modules/mine", "of the source");
    repository.commit("vendored");
    let text = log(build("test -e node_modules/mine && test ! -e node_modules/dep")).await;
    assert!(text.contains("the source has its own: node_modules]"), "{text}");

    let outside = tempfile::tempdir().unwrap();
    std::fs::remove_dir_all(repository.path().join("node_modules")).unwrap();
    std::os::unix::fs::symlink(outside.path(), repository.path().join("node_modules")).unwrap();
    repository.commit("a link");
    let text = log(build("true")).await;
    assert!(text.contains("the source has its own: node_modules]"), "{text}");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0, "the link was not followed");
}

#[tokio::test]
async fn a_failing_command_saves_nothing() {
    let (bench, repository) = (Bench::new().await, repository());
    let failing = format!("{INSTALL}; exit 3");
    let attempt = bench.attempt(&repository.url(), &failing).cache(&["node_modules"], "lock");
    let report = attempt.run().await;
    assert_eq!(cause(&report), Cause::CommandFailed { code: 3 }, "{}", evidence(&report));
    assert_eq!(story(&attempt.log()), ["nothing is kept yet", "made"]);
    let attempt = bench.attempt(&repository.url(), INSTALL).cache(&["node_modules"], "lock");
    assert_eq!(story(&log(attempt).await), ["nothing is kept yet", "made", "saved"]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_kept_costs_no_build_and_says_why() {
    let (bench, repository) = (Bench::new().await, repository());
    let table = [
        ("ln -s / node_modules", "node_modules is no folder"),
        ("true", "the command has made none of its folders"),
        (
            "mkdir node_modules; head -c 3000 /dev/zero > node_modules/large",
            "node_modules/large: here the cache passes",
        ),
        ("mkdir -p node_modules/a/b/c/d/e", "limit of 5 files"),
    ];
    for (command, why) in table {
        let attempt = bench.attempt(&repository.url(), command).cache(&["node_modules"], "lock");
        let attempt = attempt.rules(|rules| (rules.cache_bytes, rules.cache_files) = (2_000, 5));
        let text = log(attempt).await;
        assert!(text.contains("[netbuild: cache deps: not saved: ") && text.contains(why), "{why}: {text}");
    }
    let pipe = "mkdir node_modules; mkfifo node_modules/pipe; printf 'no line feed'";
    let text = log(bench.attempt(&repository.url(), pipe).cache(&["node_modules"], "lock")).await;
    assert!(text.contains("no line feed\n[netbuild: cache deps: saved: 1 files"), "{text}");
    assert!(text.contains("without 1 of a kind that is not kept: node_modules/pipe]"), "{text}");
}
