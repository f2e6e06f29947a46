//! A secret through the scheduler: the executor gets it, and no `Debug`, trace, figure, notice or store shows it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use netbuild_core::model::{
    AttemptNumber, Build, BuildKey, CacheScope, Cause, Ending, GatewayClaim, GatewayKey, Job, SecretRef, Timestamp,
};
use netbuild_core::port::{History, Ledger, Notice, Observer, Outbox, Secrets, SecretsError, StartRequest};
use netbuild_core::testkit::{CallFault, Canary, FakeCallKind, LogStoreMood, Play, StartFault, deploy_of, fixtures};
use secrecy::{ExposeSecret, SecretString};

use crate::world::{RUN, World, first};

/// Text that comes from many places.
#[derive(Clone, Debug, Default)]
struct Said(Arc<Mutex<String>>);

impl Said {
    fn say(&self, text: std::fmt::Arguments<'_>) {
        let mut said = self.0.lock().unwrap();
        said.write_fmt(text).unwrap();
        said.push('\n');
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Observer for Said {
    fn notice(&self, notice: &Notice, at: Timestamp) {
        self.say(format_args!("{at:?} {notice:?}"));
    }
}

/// The names and labels of every figure.
impl Recorder for Said {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}
    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}
    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        self.say(format_args!("{key:?}"));
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        self.say(format_args!("{key:?}"));
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        self.say(format_args!("{key:?}"));
        Histogram::noop()
    }
}

/// Gives every build the canary. Its own `Debug` is no part of the test.
struct OneSecret(SecretString);

impl std::fmt::Debug for OneSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneSecret")
    }
}

#[async_trait]
impl Secrets for OneSecret {
    async fn resolve(&self, build: &Build) -> Result<BTreeMap<String, SecretString>, SecretsError> {
        Ok(build.spec.secrets.keys().map(|name| (name.clone(), self.0.clone())).collect())
    }

    async fn credential(&self, _build: &Build, _reference: &SecretRef) -> Result<SecretString, SecretsError> {
        Ok(self.0.clone())
    }
}

/// What all tests of this program trace. The subscriber is the program's: one for a thread can miss what another thread met
/// before.
fn traces() -> &'static Said {
    static TRACES: OnceLock<Said> = OnceLock::new();
    TRACES.get_or_init(|| {
        let traces = Said::default();
        let writer = traces.clone();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
        subscriber.init();
        traces
    })
}

/// A world whose builds get the canary, and everything that it says of itself.
struct Life {
    world: World,
    canary: Canary,
    notices: Said,
    requests: Said,
    traces: &'static Said,
    figures: Said,
}

impl Life {
    fn new(test: &str) -> Self {
        let canary = Canary::new(test);
        let (requests, secret) = (Said::default(), canary.text().to_owned());
        let heard = requests.clone();
        let mut world = World::new(move |request: &StartRequest| {
            assert_eq!(request.job.secrets["TOKEN"].expose_secret(), secret, "the executor gets it");
            let credential = request.job.credential.as_ref().map(|key| key.expose_secret());
            assert_eq!(credential, Some(secret.as_str()), "and the fetch's");
            heard.say(format_args!("{request:?} {request:#?}"));
            match request.job.attempt.number.get() {
                1 => Play::fails_after(RUN, Cause::Evicted),
                _ => Play::deploys_after(RUN, deploy_of(&request.job.attempt)),
            }
        });
        let notices = Said::default();
        world.secrets = Arc::new(OneSecret(canary.secret()));
        world.observer = Arc::new(notices.clone());
        Life { world, canary, notices, requests, traces: traces(), figures: Said::default() }
    }

    /// Builds through bad weather and good, with all that is said on the way.
    async fn live(&self) -> Vec<BuildKey> {
        let _figures = metrics::set_default_local_recorder(&self.figures);

        let world = &self.world;
        for fault in [StartFault::Unavailable, StartFault::UnknownStarted, StartFault::UnknownNotStarted] {
            world.attempts.fail_start(fault);
        }
        world.attempts.fail(FakeCallKind::List, CallFault::Unavailable);
        world.logs.set(LogStoreMood::Refuses);
        let (handle, scheduler) = world.scheduler("one");
        let mut keys = Vec::new();
        for n in 1..4 {
            let mut build = fixtures::build("acme", &format!("site-{n}"), n);
            build.spec.credential = Some(SecretRef("deploy-key".to_owned()));
            keys.push(build.key());
            world.outbox.record(&[fixtures::event(build)]).await.unwrap();
        }
        world.publisher.publish_pending().await.unwrap();
        tokio::time::sleep(RUN / 2).await;
        self.canary.assert_absent_in_debug("the executor in the middle", &world.executor);
        self.canary.assert_absent_in_debug("the handle", &(&handle, handle.status().await));
        let endings = world.ended(&keys).await;
        assert!(endings.iter().all(|ending| matches!(ending, Ending::Deployed { .. })), "{endings:?}");
        world.logs.set(LogStoreMood::Works);
        tokio::time::sleep(Duration::from_secs(60)).await;
        scheduler.stop().await;
        keys
    }

    fn assert_clean(&self, canary: &Canary) {
        for (what, said, sign) in [
            ("notices", &self.notices, "Settled"),
            ("start requests", &self.requests, "REDACTED"),
            ("traces", self.traces, "WARN"),
            ("figures", &self.figures, "netbuild_builds_ended_total"),
        ] {
            let text = said.text();
            assert!(text.contains(sign), "{what} were listened to: {text}");
            canary.assert_absent(what, text);
        }
        let World { outbox, queue, ledger, executor, logs, .. } = &self.world;
        canary.assert_absent_in_debug("the stores", &(outbox, queue, ledger, logs));
        canary.assert_absent_in_debug("the executor", executor);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_scheduler_shows_a_secret_or_a_token() {
    let life = Life::new("nothing_of_the_scheduler_shows_a_secret_or_a_token");
    let keys = life.live().await;
    life.assert_clean(&life.canary);

    let ledger = &life.world.ledger;
    let record = life.world.record(&keys[0]).await;
    life.canary.assert_absent("a record", serde_json::to_vec(&record).unwrap());
    life.canary.assert_absent_in_debug("the history", &ledger.builds(&Default::default()).await.unwrap());
    let key = ledger.name_key().await.unwrap();
    let gateway_key = GatewayKey::from(&key);
    for number in 1..=2 {
        let attempt = keys[0].attempt(AttemptNumber::new(number));
        let token = gateway_key.token(&GatewayClaim { attempt, scope: CacheScope::Trusted });
        let (_, proof) = token.expose_secret().rsplit_once('.').unwrap();
        life.assert_clean(&Canary::of(proof));
    }
    Canary::of_bytes(key.as_bytes()).assert_absent_in_debug("the keys", &(&key, &gateway_key));
}

#[tokio::test(start_paused = true)]
async fn a_leak_into_any_of_them_is_found() {
    let life = Life::new("a_leak_into_any_of_them_is_found");
    life.live().await;
    let found = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| life.assert_clean(&life.canary))).is_err();
    assert!(!found());
    for said in [&life.notices, &life.requests, &life.figures] {
        let before = said.text();
        said.say(format_args!("{:?}", life.canary.text()));
        assert!(found());
        *said.0.lock().unwrap() = before;
    }
    assert!(!found());
    let mut build = fixtures::build("acme", "site", 9);
    build.spec.command = format!("deploy --token {}", life.canary.text());
    life.world.outbox.record(&[fixtures::event(build)]).await.unwrap();
    assert!(found(), "in the outbox");

    let other = Life::new("a_leak_into_the_traces_is_found");
    other.live().await;
    other.assert_clean(&other.canary);
    tracing::warn!(error = other.canary.text(), "a store said");
    assert!(other.canary.find(life.traces.text()).is_some(), "in the traces");
}

#[test]
fn the_debug_of_a_job_and_the_error_about_one_show_no_secret() {
    let canary = Canary::new("the_debug_of_a_job_and_the_error_about_one_show_no_secret");
    let build = Arc::new(fixtures::build("acme", "site", 1));
    let attempt = first(&build.key());
    let job = Job {
        attempt: attempt.clone(),
        source: build.source.clone(),
        command: "make".to_owned(),
        publish: None,
        env: BTreeMap::new(),
        secrets: BTreeMap::from([("KEY".to_owned(), canary.secret())]),
        caches: Vec::new(),
        credential: Some(canary.secret()),
        image: None,
        user: None,
        gateway: netbuild_core::model::GatewayAccess { url: "http://127.0.0.1:1".to_owned(), token: canary.secret() },
        rules: Default::default(),
    };
    canary.assert_absent_in_debug("a job", &job);
    let wire = job.to_wire();
    canary.assert_absent_in_debug("a job on its way", &wire);
    assert!(canary.find(wire.expose_secret()).is_some(), "it is in there");
    let torn = &wire.expose_secret()[..wire.expose_secret().len() - 1];
    let error = Job::from_wire(torn).unwrap_err();
    canary.assert_absent_in_debug("the error about a torn job", &error);
    canary.assert_absent("the error about a torn job", error.to_string());
    let masker = netbuild_core::log::Masker::new([&canary.secret()]);
    canary.assert_absent_in_debug("a masker", &masker);
}

#[tokio::test(start_paused = true)]
async fn an_untrusted_build_gets_neither_secrets_nor_a_credential() {
    let mut world = World::new(|request: &StartRequest| {
        let job = &request.job;
        match job.secrets.is_empty() && job.credential.is_none() {
            true => Play::deploys_after(RUN, deploy_of(&job.attempt)),
            false => Play::fails_after(RUN, Cause::SecretMissing),
        }
    });
    let canary = Canary::new("an_untrusted_build_gets_neither_secrets_nor_a_credential");
    world.secrets = Arc::new(OneSecret(canary.secret()));
    let (_handle, scheduler) = world.scheduler("one");
    let mut build = fixtures::build("acme", "site", 1);
    build.spec.credential = Some(SecretRef("deploy-key".to_owned()));
    build.trust = netbuild_core::model::Trust::Untrusted;
    let key = build.key();
    world.outbox.record(&[fixtures::event(build)]).await.unwrap();
    world.publisher.publish_pending().await.unwrap();
    let endings = world.ended(&[key]).await;
    assert!(!matches!(endings[..], [Ending::Failed { .. }]), "{endings:?}");
    scheduler.stop().await;
}
