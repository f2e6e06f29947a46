//! A secret through whole lives of a build, told by its command in every form: nothing keeps it and nothing says it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use netbuild_core::model::{AttemptNumber, BuildRecord, CacheScope, GatewayClaim, GatewayKey, NameKey};
use netbuild_core::port::{BuildQuery, History, Ledger, SystemClock};
use netbuild_core::testkit::Canary;
use netbuild_examples::faults::Point;
use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::{ExposeSecret, SecretString};

use crate::support::{Bench, QUICK, json, program, wait_for};

/// Tells the secret in every way that a shell knows: plain, in two writes, in Base64, in hexadecimal digits, as a part of a
/// URL and of JSON, and as the shell itself tells what it does.
const CONFESS: &str = r#"
    printf 'plain %s\n' "$KEY"
    printf 'in two %s' "${KEY%????????????????????}"; sleep 0.3; printf '%s\n' "${KEY#"${KEY%????????????????????}"}"
    printf '%s' "$KEY" | base64
    printf 'x%s' "$KEY" | base64 -w0; echo
    printf 'user:%s' "$KEY" | base64 -w0 | tr '+/' '-_' | tr -d '='; echo
    printf '%s' "$KEY" | od -An -v -tx1 | tr -d ' \n'; echo
    printf '%s' "$KEY" | od -An -v -tx1 | tr -d ' \n' | tr a-f A-F; echo
    printf '%s' "$KEY" | sed 's|/|%2F|g; s|+|%2B|g; s| |%20|g; s|&|%26|g; s|"|%22|g; s|=|%3D|g'; echo
    printf '%s' "$KEY" | sed 's|/|%2f|g; s|+|%2b|g; s| |+|g; s|&|%26|g; s|"|%22|g; s|=|%3d|g'; echo
    printf '%s' "$KEY" | sed 's|"|\\"|g'; echo
    set -x; : "$KEY"; set +x
    echo confessed
"#;

/// A bench, its canary, and everything that its programs said.
struct Life {
    bench: Bench,
    canary: Canary,
    said: Vec<u8>,
}

impl Life {
    fn new(test: &str) -> Self {
        Life { bench: Bench::new(), canary: Canary::new(test), said: Vec::new() }
    }

    /// The quickstart with the canary as a secret, telling all that it ever tells.
    fn quickstart(&self, command: &str, more: &[&str]) -> Command {
        let mut quickstart = self.bench.quickstart(command, more);
        quickstart.args(["--secret", "KEY"]).env("KEY", self.canary.text()).env("RUST_LOG", "trace");
        quickstart
    }

    fn run(&mut self, command: &str, more: &[&str]) -> Output {
        let output = self.quickstart(command, more).output().unwrap();
        self.hear(&output);
        output
    }

    fn hear(&mut self, output: &Output) {
        self.said.extend_from_slice(&output.stdout);
        self.said.extend_from_slice(&output.stderr);
    }

    /// What is kept: the whole state folder but the workspaces, in which the command may write what it likes.
    fn assert_nothing_keeps_it(&self) {
        self.canary.assert_absent_in_folder(&self.bench.state(), &|path| is_workspace(&self.bench.state(), path));
    }

    /// No process of an attempt has it in its command line, and the runner not in its environment.
    fn assert_no_process_shows_it(&self) {
        for (pid, line) in self.bench.processes() {
            self.canary.assert_absent("a command line", &line);
            if line.contains("netbuild-runner")
                && let Ok(environment) = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()))
            {
                self.canary.assert_absent("the runner's environment", environment);
            }
        }
    }

    /// The end: nothing keeps or says the secret, or the token by which a runner speaks to the gateway; and the key from
    /// which tokens and names come is in the ledger alone.
    fn assert_clean(&self) {
        self.canary.assert_absent("what the programs said", &self.said);
        self.assert_nothing_keeps_it();
        let (key, records) = ledger(&self.bench);
        let state = self.bench.state();
        let attempts = records.iter().flat_map(|record| record.attempts.iter().map(move |it| (record, it.number)));
        for (record, number) in attempts {
            let token = token(&key, record, number);
            // The part before the dot is the claim, which is no secret.
            let (_, proof) = token.expose_secret().rsplit_once('.').unwrap();
            let token = Canary::of(proof);
            token.assert_absent("what the programs said", &self.said);
            token.assert_absent_in_folder(&state, &|_| false);
        }
        let key = Canary::of_bytes(key.as_bytes());
        key.assert_absent("what the programs said", &self.said);
        let places = key.find_in_folder(&state, &|_| false);
        assert!(!places.is_empty(), "the ledger keeps the key, and the search must find it there");
        let is_ledger = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with("netbuild.db");
        assert!(places.iter().all(|(path, _)| is_ledger(path)), "{places:?}");
    }
}

fn is_workspace(state: &Path, path: &Path) -> bool {
    let parts: Vec<_> = path.strip_prefix(state).unwrap().iter().filter_map(|part| part.to_str()).collect();
    matches!(parts[..], ["attempts", _, "work" | "home" | "tmp"])
}

/// The token that the attempt had: every build here is of the project's own branches.
fn token(key: &NameKey, record: &BuildRecord, number: AttemptNumber) -> SecretString {
    GatewayKey::from(key).token(&GatewayClaim { attempt: record.key().attempt(number), scope: CacheScope::Trusted })
}

/// The key and the builds of a bench's ledger.
fn ledger(bench: &Bench) -> (netbuild_core::model::NameKey, Vec<BuildRecord>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = std::sync::Arc::new(SystemClock::new());
        let path = bench.state().join("netbuild.db");
        let store = SqliteStore::open(path, SqliteOptions::default(), clock).await.unwrap();
        let ledger = store.ledger();
        (ledger.name_key().await.unwrap(), ledger.builds(&BuildQuery::default()).await.unwrap())
    })
}

/// The only log of a bench, as it is kept.
fn log(bench: &Bench) -> String {
    fn logs(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries
            .flat_map(|path| match path.extension() {
                Some(extension) if extension == "log" => vec![std::fs::read_to_string(path).unwrap()],
                _ => logs(&path),
            })
            .collect()
    }
    logs(&bench.state().join("logs")).concat()
}

#[test]
fn a_build_that_deploys() {
    let mut life = Life::new("a_build_that_deploys");
    let command = format!("test ${{#KEY}} -eq {} || exit 9; {CONFESS} {QUICK}", life.canary.text().len());
    let output = life.run(&command, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&life.said));
    let log = log(&life.bench);
    assert!(log.contains("plain [masked]\nin two [masked]\n[masked]\n"), "{log}");
    assert!(log.contains("confessed"), "{log}");
    assert!(log.matches("[masked]").count() >= 11, "each form was told: {log}");
    life.assert_clean();
}

#[test]
fn a_build_that_fails() {
    let mut life = Life::new("a_build_that_fails");
    let output = life.run(&format!("{CONFESS} exit 3"), &[]);
    assert_eq!(json(&output)["builds"][0]["exit_code"], 3);
    life.assert_clean();

    // What the runner quotes as evidence: a file's name, which is the secret.
    let name = "$(printf %s \"$KEY\" | base64 -w0 | tr '+/' '-_')";
    let output = life.run(&format!("mkdir public; ln -s /etc/passwd public/{name}"), &[]);
    assert_eq!(json(&output)["builds"][0]["status"], "failed", "a link out of the folder is refused");
    assert!(String::from_utf8_lossy(&output.stderr).contains("[masked]"), "it is refused by its name");
    life.assert_clean();
}

#[test]
fn a_build_that_is_cancelled() {
    let mut life = Life::new("a_build_that_is_cancelled");
    let command = format!("{CONFESS} sleep 1000");
    let quickstart = life.quickstart(&command, &["--grace", "1s"]).spawn().unwrap();
    wait_for("the command to have told all", || log(&life.bench).contains("confessed").then_some(()));
    life.assert_nothing_keeps_it();
    life.assert_no_process_shows_it();
    kill_process(Pid::from_raw(quickstart.id().try_into().unwrap()).unwrap(), Signal::INT).unwrap();
    let output = quickstart.wait_with_output().unwrap();
    life.hear(&output);
    assert_eq!(json(&output)["builds"][0]["status"], "cancelled");
    life.assert_clean();
    life.bench.assert_nothing_runs();
}

#[test]
fn a_build_whose_source_is_refused() {
    let mut life = Life::new("a_build_whose_source_is_refused");
    let output = life.run(CONFESS, &["--ref", "no-such-branch"]);
    assert_eq!(json(&output)["builds"][0]["attempts"][0]["outcome"], "source_not_found");
    life.assert_clean();
}

#[test]
fn a_build_whose_runner_is_killed() {
    let mut life = Life::new("a_build_whose_runner_is_killed");
    let killed = life.bench.folder.path().join("killed");
    let command = format!("{CONFESS} test -e \"$KILLED\" || sleep 1000; {QUICK}");
    let variable = format!("KILLED={}", killed.display());
    let quickstart = life.quickstart(&command, &["--env", &variable]).spawn().unwrap();
    wait_for("the command to have told all", || log(&life.bench).contains("confessed").then_some(()));
    std::fs::write(&killed, "").unwrap();
    let runner = life.bench.processes().into_iter().find(|(_, line)| line.contains("netbuild-runner"));
    kill_process(runner.expect("a runner runs").0, Signal::KILL).unwrap();
    let output = quickstart.wait_with_output().unwrap();
    life.hear(&output);
    let build = &json(&output)["builds"][0];
    assert_eq!((&build["status"], build["attempts"].as_array().unwrap().len()), (&"deployed".into(), 2), "{build}");
    life.assert_clean();
}

#[test]
fn a_build_whose_host_is_killed() {
    for point in Point::ALL {
        let mut life = Life::new(point.name());
        let command = format!("{CONFESS} {QUICK}");
        let killed = life.quickstart(&command, &[]).env("NETBUILD_KILL_AT", point.name()).output().unwrap();
        life.hear(&killed);
        assert!(!killed.status.success(), "{}: the fault did not happen", point.name());
        life.assert_nothing_keeps_it();
        let finished = life.run(&command, &[]);
        assert!(finished.status.success(), "{}: {}", point.name(), json(&finished));
        life.assert_clean();
    }
}

#[test]
fn a_command_line_that_is_refused() {
    let canary = Canary::new("a_command_line_that_is_refused");
    let text = canary.text();
    let encoded =
        text.replace('/', "%2F").replace('+', "%2B").replace(' ', "%20").replace('&', "%26").replace('"', "%22");
    let bench = Bench::new();
    for (repository, secret) in [
        (format!("https://user:{encoded}@git.example/site"), "A=1234".to_owned()),
        (format!("https://{encoded}@git.example/site"), "A=1234".to_owned()),
        (format!("https://git.example/site?token={encoded}"), "A=1234".to_owned()),
        (format!("https://user:{text}@git.example/site"), "A=1234".to_owned()),
        ("https://git.example/site".to_owned(), format!("no name={text}")),
        ("https://git.example/site".to_owned(), text.to_owned()),
    ] {
        let output = Command::new(program())
            .args(["--repo", &repository, "--command", "true", "--secret", &secret, "--json", "--state"])
            .arg(bench.state())
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success(), "it was accepted");
        canary.assert_absent("its refusal", [output.stdout, output.stderr].concat());
        if bench.state().exists() {
            canary.assert_absent_in_folder(&bench.state(), &|_| false);
        }
    }
}

/// A check that never failed is not yet a check: what each of these tests looks at is looked at.
#[test]
fn planted_leaks_are_found() {
    let mut life = Life::new("planted_leaks_are_found");
    assert!(life.run(QUICK, &[]).status.success());
    life.assert_clean();
    let found = |life: &Life| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| life.assert_clean())).is_err();
    for place in ["gateway.address", "logs/x.log", "attempts/nb-x/runner.out", "attempts/nb-x/exit.json", "origin/x"] {
        let path = life.bench.state().join(place);
        let before = std::fs::read(&path).ok();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("{{\"evidence\":{:?}}}", life.canary.text())).unwrap();
        assert!(found(&life), "a leak into {place} was not found");
        match before {
            Some(before) => std::fs::write(&path, before).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        assert!(!found(&life));
    }
    let store = rusqlite::Connection::open(life.bench.state().join("netbuild.db")).unwrap();
    store.execute_batch("CREATE TABLE leak (text TEXT)").unwrap();
    assert!(!found(&life));
    store.execute("INSERT INTO leak VALUES (?1)", [life.canary.text()]).unwrap();
    assert!(found(&life), "a leak into the store was not found");
    store.execute_batch("DROP TABLE leak; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert!(!found(&life));

    let (key, records) = ledger(&life.bench);
    let token = token(&key, &records[0], records[0].attempts[0].number);
    life.said.extend_from_slice(token.expose_secret().as_bytes());
    assert!(found(&life), "a token that was said was not found");
    life.said.clear();
    std::fs::write(life.bench.state().join("key"), key.as_bytes()).unwrap();
    assert!(found(&life), "a copy of the key was not found");
}
