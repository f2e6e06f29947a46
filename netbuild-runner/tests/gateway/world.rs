//! A gateway on loopback, a fake scheduler behind it, and a client in front of it.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::log::FileLogStore;
use netbuild_core::model::{
    AccountId, AttemptId, AttemptNumber, BuildId, BuildKey, CacheScope, Digest, GatewayClaim, GatewayKey, Manifest,
    ManifestFile, NameKey, ProjectId, PublishPath, Report, RunPhase, Timestamp,
};
use netbuild_core::port::{AttemptControl, Clock, Heartbeat, LogStore, NotLeading, Order, SystemClock};
use netbuild_core::testkit::ManualClock;
use netbuild_runner::gateway::{CacheLimits, Caches, Gateway, GatewayLimits, GatewayParts};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use reqwest::{Method, RequestBuilder, Response};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A scheduler that answers as it is told and writes down what it is asked.
#[derive(Debug)]
pub(crate) struct FakeControl {
    pub(crate) answer: Mutex<Result<Order, NotLeading>>,
    pub(crate) beats: Mutex<Vec<(AttemptId, RunPhase)>>,
    pub(crate) reports: Mutex<Vec<(AttemptId, Report)>>,
    /// Attempts that are settled or replaced.
    pub(crate) over: Mutex<BTreeSet<AttemptId>>,
    /// A call takes a permit, and gives it back: without any it waits.
    pub(crate) may_answer: Semaphore,
}

impl Default for FakeControl {
    fn default() -> Self {
        FakeControl {
            answer: Mutex::new(Ok(Order::Continue { lease: Duration::from_secs(60) })),
            beats: Mutex::default(),
            reports: Mutex::default(),
            over: Mutex::default(),
            may_answer: Semaphore::new(1),
        }
    }
}

#[async_trait]
impl AttemptControl for FakeControl {
    async fn heartbeat(&self, attempt: &AttemptId, beat: Heartbeat) -> Result<Order, NotLeading> {
        self.beats.lock().unwrap().push((attempt.clone(), beat.phase));
        let _permit = self.may_answer.acquire().await.unwrap();
        *self.answer.lock().unwrap()
    }

    async fn report(&self, attempt: &AttemptId, report: Report) -> Result<(), NotLeading> {
        let answer = *self.answer.lock().unwrap();
        answer?;
        self.reports.lock().unwrap().push((attempt.clone(), report));
        Ok(())
    }

    async fn is_live(&self, attempt: &AttemptId) -> Result<bool, NotLeading> {
        let answer = *self.answer.lock().unwrap();
        answer?;
        Ok(!self.over.lock().unwrap().contains(attempt))
    }
}

/// Everything of one test. Its folder has `store` and `logs`.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) control: Arc<FakeControl>,
    /// Asked in the place of `control`.
    scheduler: Option<Arc<dyn AttemptControl>>,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) logs: Arc<dyn LogStore>,
    /// The time of the caches; it begins at the store's.
    pub(crate) clock: ManualClock,
    pub(crate) caches: Caches,
    pub(crate) address: SocketAddr,
    pub(crate) client: reqwest::Client,
    gateway: JoinSet<()>,
    shutdown: CancellationToken,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_limits(GatewayLimits::default()).await
    }

    pub(crate) async fn with_limits(limits: GatewayLimits) -> Self {
        Self::make(limits, CacheLimits::default(), None).await
    }

    /// A gateway before another log store.
    pub(crate) async fn with_logs(limits: GatewayLimits, logs: Arc<dyn LogStore>) -> Self {
        let mut world = Self::new().await;
        world.stop().await;
        world.logs = logs;
        world.start(limits).await;
        world
    }

    /// A gateway before another scheduler than the fake one.
    pub(crate) async fn behind(scheduler: Arc<dyn AttemptControl>) -> Self {
        Self::make(GatewayLimits::default(), CacheLimits::default(), Some(scheduler)).await
    }

    pub(crate) async fn with_cache_limits(limits: CacheLimits) -> Self {
        Self::with(GatewayLimits::default(), limits).await
    }

    pub(crate) async fn with(limits: GatewayLimits, cache_limits: CacheLimits) -> Self {
        Self::make(limits, cache_limits, None).await
    }

    async fn make(
        limits: GatewayLimits,
        cache_limits: CacheLimits,
        scheduler: Option<Arc<dyn AttemptControl>>,
    ) -> Self {
        traces();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("store")).unwrap();
        let store = LocalFileSystem::new_with_prefix(folder.path().join("store")).unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        let clock = ManualClock::new(SystemClock::new().now());
        let mut world = World {
            control: Arc::default(),
            scheduler,
            caches: Caches::new(Arc::clone(&store), cache_limits, Arc::new(clock.clone())),
            clock,
            store,
            logs: Arc::new(FileLogStore::new(folder.path().join("logs"), 1 << 20)),
            folder,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            client: reqwest::Client::new(),
            gateway: JoinSet::new(),
            shutdown: CancellationToken::new(),
        };
        world.start(limits).await;
        world
    }

    /// Ends the gateway, waits until nothing of it runs, and starts another one.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start(GatewayLimits::default()).await;
    }

    pub(crate) fn begin_stop(&self) {
        self.shutdown.cancel();
    }

    /// Ends the gateway and waits until nothing of it runs.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.gateway.join_next().await {
            ended.unwrap();
        }
    }

    async fn start(&mut self, limits: GatewayLimits) {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        self.address = listener.local_addr().unwrap();
        self.shutdown = CancellationToken::new();
        let control = self.scheduler.clone().unwrap_or_else(|| self.control.clone());
        let gateway = Gateway::new(GatewayParts {
            store: Arc::clone(&self.store),
            caches: self.caches.clone(),
            control,
            logs: Arc::clone(&self.logs),
            key: key(),
            limits,
        });
        let shutdown = self.shutdown.clone();
        self.gateway.spawn(async move { gateway.serve(listener, shutdown).await });
    }

    /// A request with the token of an attempt.
    pub(crate) fn request(&self, method: Method, path: &str, attempt: &AttemptId) -> RequestBuilder {
        self.bare(method, path).bearer_auth(key().token(&claim(attempt)).expose_secret())
    }

    /// A request without a token.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn upload(&self, attempt: &AttemptId, content: impl Into<reqwest::Body> + AsRef<[u8]>) -> Answer {
        let path = format!("/v1/files/{}", Digest::of(&content));
        answer(self.request(Method::PUT, &path, attempt).body(content)).await
    }

    /// The files in the store's folder, by their paths there.
    pub(crate) fn stored(&self) -> Vec<PathBuf> {
        let root = self.folder.path().join("store");
        let mut paths: Vec<_> =
            files_below(&root).iter().map(|path| path.strip_prefix(&root).unwrap().into()).collect();
        paths.sort();
        paths
    }
}

/// What all tests of this program trace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces(Arc<Mutex<Vec<u8>>>);

/// The subscriber is the program's, and there before the first request: one that comes later, for one thread, can miss
/// events that another thread met first.
pub(crate) fn traces() -> &'static Traces {
    static TRACES: OnceLock<Traces> = OnceLock::new();
    TRACES.get_or_init(|| {
        let traces = Traces::default();
        let writer = traces.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone());
        subscriber.init();
        traces
    })
}

impl Traces {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Traces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// A response: its status and its body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: serde_json::Value,
}

impl Answer {
    /// A refusal: checks that it is JSON with an error, and gives the status.
    #[track_caller]
    pub(crate) fn refused(&self) -> u16 {
        assert!(self.status >= 400, "{self:?}");
        assert!(self.body["error"].as_str().is_some_and(|error| !error.is_empty()), "{self:?}");
        self.status
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    read(request.send().await.unwrap()).await
}

async fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    let retry_after = response.headers().contains_key("retry-after");
    assert_eq!(retry_after, matches!(status, 429 | 503), "these alone say that asking again helps");
    let bytes = response.bytes().await.unwrap();
    let body = if bytes.is_empty() { serde_json::Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    Answer { status, body }
}

pub(crate) fn key() -> GatewayKey {
    GatewayKey::from(&NameKey::new([1; 32]))
}

/// What a trusted attempt's token proves.
pub(crate) fn claim(attempt: &AttemptId) -> GatewayClaim {
    GatewayClaim { attempt: attempt.clone(), scope: CacheScope::Trusted }
}

pub(crate) fn attempt_of(account: &str, project: &str, number: u32) -> AttemptId {
    let (account, project) = (AccountId::new(account).unwrap(), ProjectId::new(project).unwrap());
    let build = BuildKey { account, project, build: BuildId::new(Timestamp::EPOCH, [1; 10]) };
    build.attempt(AttemptNumber::new(number))
}

pub(crate) fn attempt() -> AttemptId {
    attempt_of("acme", "site", 1)
}

/// A manifest of paths and contents.
pub(crate) fn manifest_of(files: &[(&str, &str)]) -> Manifest {
    let file = |&(path, content): &(&str, &str)| {
        let file = ManifestFile { digest: Digest::of(content), bytes: content.len() as u64 };
        (PublishPath::parse(path).unwrap(), file)
    };
    Manifest { files: files.iter().map(file).collect() }
}

impl World {
    /// Uploads a deploy as a runner does.
    pub(crate) async fn deploy(&self, attempt: &AttemptId, files: &[(&str, &str)]) -> Manifest {
        for (_, content) in files {
            assert_eq!(self.upload(attempt, (*content).to_owned()).await.status, 204);
        }
        let manifest = manifest_of(files);
        let put = self.request(Method::PUT, "/v1/manifest", attempt).body(manifest.to_bytes());
        assert_eq!(answer(put).await.status, 200);
        manifest
    }
}
