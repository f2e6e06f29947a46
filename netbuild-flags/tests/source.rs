//! Definitions from files, and the watcher that puts them in force.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::{AccountId, Timestamp};
use netbuild_core::port::Clock;
use netbuild_core::testkit::TokioClock;
use netbuild_flags::source::{FileSource, Format, Loaded, Source, SourceError, Watcher};
use netbuild_flags::{Definition, Definitions, FlagKey, Flags, Overrides, Percentage, Ramp, Share, Subject};
use tokio::sync::Notify;

fn key(text: &str) -> FlagKey {
    FlagKey::new(text).unwrap()
}

fn definitions(flag: Definition) -> Definitions {
    Definitions { flags: [(key("pods"), flag)].into(), ..Definitions::default() }
}

fn global(on: bool) -> Definitions {
    definitions(Definition { global: on, ..Definition::default() })
}

fn is_on(flags: &Flags) -> Option<bool> {
    let account = AccountId::new("acme").unwrap();
    flags.snapshot().map(|snapshot| snapshot.evaluate(&key("pods"), &Subject::account(&account), false).on)
}

#[test]
fn every_format_says_the_same() {
    let json = r#"{
        "attributes": {"account.plan": "text"},
        "groups": {"teams": "account.plan == \"team\""},
        "flags": {"pods": {
            "excluded_projects": [{"account": "acme", "project": "site"}],
            "groups": ["teams"],
            "accounts_share": 12.5,
            "projects_share": {"from": 0, "to": 50, "start": "2026-01-31T08:00:00Z", "end": "2026-02-01T08:00:00Z"}
        }}
    }"#;
    let toml = r#"
        attributes = { "account.plan" = "text" }
        groups.teams = 'account.plan == "team"'
        [flags.pods]
        excluded_projects = [{ account = "acme", project = "site" }]
        groups = ["teams"]
        accounts_share = 12.5
        projects_share = { from = 0, to = 50, start = "2026-01-31T08:00:00Z", end = "2026-02-01T08:00:00Z" }
    "#;
    let yaml = r#"
attributes:
  account.plan: text
groups:
  teams: account.plan == "team"
flags:
  pods:
    excluded_projects: [{account: acme, project: site}]
    groups: [teams]
    accounts_share: 12.5
    projects_share: {from: 0, to: 50, start: "2026-01-31T08:00:00Z", end: "2026-02-01T08:00:00Z"}
"#;
    let read = Format::Json.read(json).unwrap();
    assert_eq!(read.flags[&key("pods")].accounts_share, Share::Fixed(Percentage::from_hundredths(1_250)));
    #[cfg(feature = "toml")]
    assert_eq!(Format::Toml.read(toml).unwrap(), read);
    #[cfg(feature = "yaml")]
    assert_eq!(Format::Yaml.read(yaml).unwrap(), read);
    let _ = (toml, yaml);
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    for (format, text, words) in [
        (Format::Json, "", "it is empty; no flags at all would be `{}`"),
        (Format::Json, "{\"flags\": {\"pods\": {\"globl\": true}}}", "unknown field `globl`"),
        (Format::Json, "{\"flags\": {\"a b\": {}}}", "\"a b\" is no key"),
        (Format::Json, "{\"flags\":\n {\"pods\": {\"accounts_share\": 101}}}", "101 is no percentage"),
        (Format::Json, "{\"flags\":\n {\"pods\": {", "line 2"),
        (Format::Json, "{\"flags\": {\"pods\": {},\n \"pods\": {}}}", "`pods` is defined twice at line 2"),
        (Format::Json, "{\"groups\": {\"g\": \"a\", \"g\": \"b\"}}", "`g` is defined twice"),
        (
            Format::Json,
            "{\"attributes\": {\"account.a\": \"text\", \"account.a\": \"bool\"}}",
            "`account.a` is defined twice",
        ),
        (Format::Json, "{\"flags\": {\"pods\": {\"projects\": [\"site\"]}}}", "a table with `account` and `project`"),
        #[cfg(feature = "toml")]
        (Format::Toml, "[flags.pods]\naccounts_share = 101", "101 is no percentage"),
        #[cfg(feature = "toml")]
        (Format::Toml, "[flags.pods]\nkill = maybe", "line 2"),
        #[cfg(feature = "yaml")]
        (Format::Yaml, "flags:\n  pods:\n    accounts_share: 101\n", "101 is no percentage"),
        #[cfg(feature = "yaml")]
        (Format::Yaml, "flags:\n  pods: [\n", "line"),
        #[cfg(feature = "yaml")]
        (Format::Yaml, "flags:\n  pods: {}\n  pods: {}\n", "duplicate"),
        #[cfg(feature = "toml")]
        (Format::Toml, "[flags.pods]\n[flags.pods]\n", "duplicate"),
    ] {
        let error = format.read(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let error = FileSource::new("flags.ini").unwrap_err();
    assert_eq!(error.to_string(), "what ends in \"ini\" cannot be read: name it .json, .toml or .yaml");
}

/// A watcher of a file in a folder of its own.
async fn watched(test: impl AsyncFnOnce(&Path, &Flags)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    let flags = Flags::new(Overrides::none());
    let source = Arc::new(FileSource::new(&path).unwrap());
    let watcher = Watcher::new(source, flags.clone(), Arc::new(TokioClock::new(Timestamp::EPOCH)));
    tokio::select! {
        () = watcher.run() => {}
        () = test(&path, &flags) => {}
    }
}

async fn until(flags: &Flags, holds: impl Fn(&Flags) -> bool) {
    while !holds(flags) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn text(on: bool) -> String {
    serde_json::to_string(&global(on)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_file_is_followed_however_it_changes_and_never_when_it_is_broken() {
    watched(async |path, flags| {
        until(flags, |flags| flags.status().problem.is_some()).await;
        let problem = flags.status().problem.unwrap();
        assert!(problem.contains("flags.json: No such file"), "{problem}");
        assert_eq!(is_on(flags), None, "cold: every answer is the caller's default");

        fs::write(path, text(true)).unwrap();
        until(flags, |flags| is_on(flags) == Some(true) && flags.status().problem.is_none()).await;

        // In place, half at first.
        let (first, second) = (&text(false)[..20], &text(false));
        fs::write(path, first).unwrap();
        until(flags, |flags| flags.status().problem.is_some()).await;
        assert_eq!(is_on(flags), Some(true));
        fs::write(path, second).unwrap();
        until(flags, |flags| is_on(flags) == Some(false) && flags.status().problem.is_none()).await;

        // Renamed over.
        let new = path.with_extension("new");
        fs::write(&new, text(true)).unwrap();
        fs::rename(&new, path).unwrap();
        until(flags, |flags| is_on(flags) == Some(true)).await;

        // A link that is exchanged, as a mounted ConfigMap is.
        let folder = path.parent().unwrap();
        for (version, on) in [("..1", false), ("..2", true)] {
            fs::create_dir(folder.join(version)).unwrap();
            fs::write(folder.join(version).join("flags.json"), text(on)).unwrap();
            std::os::unix::fs::symlink(version, folder.join("..new")).unwrap();
            fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
            if on {
                break;
            }
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("..data/flags.json", path).unwrap();
            until(flags, |flags| is_on(flags) == Some(false)).await;
        }
        until(flags, |flags| is_on(flags) == Some(true)).await;

        // Gone, empty, not text, too large, refused.
        let refused = r#"{"flags": {"pods": {"groups": ["nobody"]}}}"#;
        let too_large = " ".repeat((16 << 20) + 1);
        for (bad, words) in [
            (b"".as_slice(), "it is empty"),
            (b"\xff\xfe", "no text in UTF-8"),
            (too_large.as_bytes(), "more than 16777216 bytes"),
            (refused.as_bytes(), "there is no group nobody"),
        ] {
            fs::write(&new, bad).unwrap();
            fs::rename(&new, path).unwrap();
            until(flags, |flags| flags.status().problem.is_some_and(|problem| problem.contains(words))).await;
            assert_eq!(is_on(flags), Some(true));
        }
        fs::remove_file(path).unwrap();
        until(flags, |flags| flags.status().problem.is_some_and(|problem| problem.contains("No such file"))).await;
        assert_eq!(is_on(flags), Some(true));
        fs::write(path, text(true)).unwrap();
        until(flags, |flags| flags.status().problem.is_none()).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_being_written_in_place_does_not_count_though_half_of_it_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.toml");
    let (whole, half) =
        ("[flags.other]\nglobal = true\n[flags.pods]\nglobal = true\n", "[flags.other]\nglobal = true\n");
    fs::write(&path, whole).unwrap();
    let flags = Flags::new(Overrides::none());
    let source = Arc::new(FileSource::new(&path).unwrap());
    let watcher = Watcher::new(source, flags.clone(), Arc::new(TokioClock::new(Timestamp::EPOCH)));
    let test = async {
        until(&flags, |flags| is_on(flags) == Some(true)).await;
        // At every moment at which the file may be looked at.
        for millis in 0..100 {
            fs::write(&path, half).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            fs::write(&path, whole).unwrap();
            tokio::time::sleep(Duration::from_millis(900 + 7 * millis)).await;
            assert_eq!(is_on(&flags), Some(true), "{millis}");
        }
        fs::write(&path, half).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(is_on(&flags), Some(false), "a text that stays counts within a second, and has no such flag");
    };
    let watch = async {
        // The flag is never unknown meanwhile.
        until(&flags, |flags| is_on(flags) == Some(true)).await;
        let mut looks = 0;
        while flags.snapshot().is_some_and(|snapshot| snapshot.flags().len() == 2) {
            looks += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        looks
    };
    tokio::select! {
        () = watcher.run() => {}
        ((), looks) = async { tokio::join!(test, watch) } => assert!(looks > 50_000, "{looks}"),
    }
}

/// A source that answers what a test says.
#[derive(Debug, Default)]
struct Scripted {
    answer: Mutex<Option<Definitions>>,
    loads: AtomicU64,
    news: Notify,
}

impl Scripted {
    fn set(&self, answer: Option<Definitions>) {
        *self.answer.lock().unwrap() = answer;
        self.news.notify_one();
    }
}

#[async_trait]
impl Source for Scripted {
    async fn load(&self) -> Result<Loaded, SourceError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let definitions = self.answer.lock().unwrap().clone();
        let definitions = definitions.ok_or_else(|| SourceError::Unavailable("it is away".into()))?;
        Ok(Loaded { definitions, revision: Some(3) })
    }

    async fn changed(&self) {
        self.news.notified().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_source_is_away_the_last_definitions_answer_and_their_age_is_told() {
    let (source, flags) = (Arc::new(Scripted::default()), Flags::new(Overrides::none()));
    let clock = Arc::new(TokioClock::new(Timestamp::EPOCH));
    source.set(Some(global(true)));
    let watcher = Watcher::new(source.clone(), flags.clone(), clock.clone());
    let test = async {
        until(&flags, |flags| is_on(flags) == Some(true)).await;
        assert_eq!(flags.status().revision, Some(3));
        tokio::time::sleep(Duration::from_secs(60)).await;
        let status = flags.status();
        assert!(status.age(clock.now()).unwrap() <= Duration::from_secs(1), "{status:?}");

        source.set(None);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let status = flags.status();
        assert_eq!(
            (is_on(&flags), status.problem.as_deref()),
            (Some(true), Some("the source of the flags is out of reach: it is away"))
        );
        assert!(status.age(clock.now()).unwrap() >= Duration::from_secs(3_599), "{status:?}");

        source.set(Some(global(false)));
        until(&flags, |flags| is_on(flags) == Some(false)).await;
        assert_eq!(flags.status().problem, None);
        // Once a second and for each change, and not more.
        let loads = source.loads.load(Ordering::Relaxed);
        assert!((3_600..3_700).contains(&loads), "{loads}");
    };
    tokio::select! {
        () = watcher.run() => {}
        () = test => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_ramp_moves_while_nothing_else_happens() {
    let (source, flags) = (Arc::new(Scripted::default()), Flags::new(Overrides::none()));
    let clock = Arc::new(TokioClock::new(Timestamp::EPOCH));
    let start = clock.now() + Duration::from_secs(10);
    let end = start + Duration::from_secs(100);
    let ramp = Ramp { from: Percentage::NONE, to: Percentage::ALL, start, end };
    source.set(Some(definitions(Definition { accounts_share: Share::Ramp(ramp), ..Definition::default() })));
    let watcher = Watcher::new(source, flags.clone(), clock.clone());
    let account = AccountId::new("acme").unwrap();
    let when: Timestamp = ramp.when(netbuild_flags::account_bucket(&key("pods"), &account)).unwrap();
    let test = async {
        until(&flags, |flags| is_on(flags) == Some(true)).await;
        let late = clock.now().since(when);
        assert!(clock.now() >= when && late <= Duration::from_millis(110), "{late:?}");
        until(&flags, |flags| flags.snapshot().is_some_and(|snapshot| snapshot.next_change().is_none())).await;
        assert!(clock.now().since(end) <= Duration::from_millis(110));
    };
    tokio::select! {
        () = watcher.run() => {}
        () = test => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_answers_is_told() {
    #[derive(Debug)]
    struct Frozen;

    #[async_trait]
    impl Source for Frozen {
        async fn load(&self) -> Result<Loaded, SourceError> {
            std::future::pending().await
        }

        async fn changed(&self) {
            std::future::pending().await
        }
    }
    let flags = Flags::new(Overrides::none());
    let mut watcher = Watcher::new(Arc::new(Frozen), flags.clone(), Arc::new(TokioClock::new(Timestamp::EPOCH)));
    assert!(!watcher.look().await);
    assert_eq!(flags.status().problem.unwrap(), "the source of the flags did not answer within 10s");
}
