//! Gateways that are slow with caches, or know none: a build goes on without.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::routing::{post, put};
use axum::{Json, Router};
use netbuild_core::model::{Outcome, Report, RunPhase};
use netbuild_runner::protocol::{FindCacheResponse, HeartbeatResponse, LogResponse};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::bench::{Attempt, Bench, until};
use super::cache::{log, story};
use super::repository::Repository;

/// What a gateway does with caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caches {
    /// It has no such routes.
    None,
    /// It never says what it has.
    SilentFind,
    /// It has nothing and never takes an archive to its end.
    SilentUpload,
}

/// A gateway that does the least.
struct Slow {
    url: String,
    state: Arc<SlowState>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct SlowState {
    uploading: Mutex<bool>,
    stop: Mutex<bool>,
    reports: Mutex<Vec<Report>>,
}

impl Slow {
    async fn new(caches: Caches) -> Self {
        let state = Arc::new(SlowState::default());
        let mut router = Router::new()
            .route("/v1/heartbeat", post(heartbeat))
            .route("/v1/log", put(take_log))
            .route("/v1/report", post(report));
        if caches == Caches::SilentFind {
            router = router.route("/v1/caches/find", post(pending::<StatusCode>));
        }
        if caches == Caches::SilentUpload {
            let find = async || Json(FindCacheResponse { found: None, damage: None, save: true });
            router = router.route("/v1/caches/find", post(find)).route("/v1/caches/archives/{digest}", put(upload));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = router.with_state(Arc::clone(&state));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Slow { url, state, _server: server }
    }

    /// An attempt with a cache that this gateway serves.
    fn attempt(&self, bench: &Bench, repository: &Repository) -> Attempt {
        let mut attempt =
            bench.attempt(&repository.url(), "mkdir node_modules; echo made").cache(&["node_modules"], "index.md");
        attempt.job.gateway.url.clone_from(&self.url);
        attempt
    }
}

async fn heartbeat(State(state): State<Arc<SlowState>>) -> Json<HeartbeatResponse> {
    Json(match *state.stop.lock().unwrap() {
        true => HeartbeatResponse::Stop,
        false => HeartbeatResponse::Continue { lease_millis: 4_000 },
    })
}

async fn take_log(uri: Uri, bytes: Bytes) -> Json<LogResponse> {
    let from: u64 = uri.query().unwrap().trim_start_matches("from=").parse().unwrap();
    Json(LogResponse { next: from + bytes.len() as u64 })
}

async fn report(State(state): State<Arc<SlowState>>, Json(report): Json<Report>) -> StatusCode {
    state.reports.lock().unwrap().push(report);
    StatusCode::NO_CONTENT
}

async fn upload(State(state): State<Arc<SlowState>>) -> StatusCode {
    *state.uploading.lock().unwrap() = true;
    pending().await
}

#[tokio::test]
async fn a_gateway_without_caches_costs_one_line() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let slow = Slow::new(Caches::None).await;
    assert_eq!(story(&log(slow.attempt(&bench, &repository)).await), ["not restored", "made"]);
}

#[tokio::test]
async fn a_restore_that_takes_too_long_is_left() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let slow = Slow::new(Caches::SilentFind).await;
    let attempt = slow.attempt(&bench, &repository).rules(|rules| rules.cache_time = Duration::from_secs(1));
    let text = log(attempt).await;
    assert_eq!(story(&text), ["not restored", "made"]);
    assert!(text.contains("all caches together took longer than 1 s"), "{text}");
}

#[tokio::test]
async fn a_save_that_takes_too_long_is_left() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let slow = Slow::new(Caches::SilentUpload).await;
    let attempt = slow.attempt(&bench, &repository).rules(|rules| rules.cache_time = Duration::from_secs(4));
    let text = log(attempt).await;
    assert_eq!(story(&text), ["nothing is kept yet", "made", "not saved"]);
    assert!(text.contains("all caches together took longer than 4 s"), "{text}");
}

#[tokio::test]
async fn a_run_limit_that_passes_while_saving_ends_as_the_success_that_it_was() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let slow = Slow::new(Caches::SilentUpload).await;
    let attempt = slow.attempt(&bench, &repository).rules(|rules| rules.run = Duration::from_secs(8));
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None }, "{}", attempt.log());
    assert_eq!(report.phases.last().map(|time| time.phase), Some(RunPhase::Save));
    assert_eq!(story(&attempt.log()), ["nothing is kept yet", "made", "not saved"]);
    assert_eq!(*slow.state.reports.lock().unwrap(), [report]);
}

#[tokio::test]
async fn a_cancel_while_saving_is_a_cancel() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let slow = Slow::new(Caches::SilentUpload).await;
    let attempt = slow.attempt(&bench, &repository);
    let child = attempt.start().await;
    until("the archive is on its way", || *slow.state.uploading.lock().unwrap()).await;
    *slow.state.stop.lock().unwrap() = true;
    assert_eq!(attempt.end(child).await.outcome, Outcome::Cancelled);
}
