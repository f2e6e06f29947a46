//! The routes: each reads a request within its bounds, asks a port and answers.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use axum::{Json, Router};
use netbuild_core::model::{AttemptId, Digest};
use netbuild_core::port::{Heartbeat, Order};
use tracing::Instrument;

use super::app::App;
use super::auth::{Caller, LiveCaller};
use super::body::Incoming;
use super::deploy::check_report;
use super::manifest::{missing, store_manifest};
use super::refusal::{Refusal, within};
use super::tenant_store::TenantStore;
use super::upload::store_file;
use crate::protocol::{
    HeartbeatRequest, HeartbeatResponse, LogResponse, ManifestResponse, MissingRequest, MissingResponse,
};

/// The largest heartbeat, in bytes.
const HEARTBEAT_BYTES: u64 = 4 << 10;
/// The largest report, in bytes: an evidence of 4 KiB, escaped, and some phases.
const REPORT_BYTES: u64 = 64 << 10;
/// The largest question about files, in bytes: 1,000 digests of 67 bytes.
const MISSING_BYTES: u64 = 128 << 10;

type Answer<T> = Result<Json<T>, Refusal>;

pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/heartbeat", post(heartbeat))
        .route("/v1/log", put(log))
        .route("/v1/files/missing", post(files_missing))
        .route("/v1/files/{digest}", put(file))
        .route("/v1/manifest", put(manifest))
        .route("/v1/report", post(report))
        .merge(super::cache::routes())
        .fallback(async || Refusal::NoRoute)
        .method_not_allowed_fallback(async || Refusal::NoMethod)
        .layer(middleware::from_fn(in_span))
        .with_state(app)
}

async fn in_span(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let span = tracing::info_span!("gateway", method = %request.method(), path, attempt = tracing::field::Empty);
    next.run(request).instrument(span).await
}

async fn heartbeat(
    State(app): State<Arc<App>>,
    Caller { attempt, place, .. }: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    let limits = &app.parts.limits;
    let standing = app.attempts.of(&attempt);
    app.attempts.count(&standing)?;
    within(limits.request, async {
        let beat: HeartbeatRequest = Incoming::new(request, HEARTBEAT_BYTES, limits.idle).json().await?;
        let order = app.parts.control.heartbeat(&attempt, Heartbeat { phase: beat.phase }).await?;
        Ok(match order {
            Order::Continue { lease } => {
                standing.lives();
                place.admit(&attempt)?;
                let lease_millis = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
                Json(HeartbeatResponse::Continue { lease_millis }).into_response()
            }
            // It says little more, and a connection for that is soon made.
            Order::Stop => ([(header::CONNECTION, "close")], Json(HeartbeatResponse::Stop)).into_response(),
        })
    })
    .await
}

/// Takes a report: of a live attempt, and only when the deploy that it names is here. A report of an attempt that is over is
/// answered as if it were taken, so that nobody repeats it, and has no effect.
async fn report(
    State(app): State<Arc<App>>,
    Caller { attempt, .. }: Caller,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let limits = &app.parts.limits;
    let standing = app.attempts.of(&attempt);
    app.attempts.count(&standing)?;
    within(limits.request, async {
        let report = Incoming::new(request, REPORT_BYTES, limits.idle).json().await?;
        if app.attempts.is_live(&attempt, &standing).await? {
            check_report(&tenant(&app, &attempt), &standing, &report, limits).await?;
            app.parts.control.report(&attempt, report).await?;
            standing.is_over();
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

async fn log(
    State(app): State<Arc<App>>,
    LiveCaller { attempt, .. }: LiveCaller,
    request: Request,
) -> Answer<LogResponse> {
    let limits = &app.parts.limits;
    let from = offset(request.uri())?;
    within(limits.request, async {
        let _slot = app.logs.take(&attempt.build.account).await;
        let bytes = Incoming::new(request, limits.log_bytes, limits.idle).whole().await?;
        let next = match bytes.is_empty() {
            true => app.parts.logs.next_offset(&attempt).await?,
            false => app.parts.logs.append(&attempt, from, &bytes).await?,
        };
        Ok(Json(LogResponse { next }))
    })
    .await
}

async fn files_missing(
    State(app): State<Arc<App>>,
    LiveCaller { attempt, .. }: LiveCaller,
    request: Request,
) -> Answer<MissingResponse> {
    let limits = &app.parts.limits;
    within(limits.request, async {
        let _slot = app.small.take(&attempt.build.account).await;
        let question: MissingRequest = Incoming::new(request, MISSING_BYTES, limits.idle).json().await?;
        let missing = missing(&tenant(&app, &attempt), question.digests).await?;
        Ok(Json(MissingResponse { missing }))
    })
    .await
}

async fn file(
    State(app): State<Arc<App>>,
    LiveCaller { attempt, standing, .. }: LiveCaller,
    digest: Result<Path<Digest>, PathRejection>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let limits = &app.parts.limits;
    let Path(digest) = digest
        .map_err(|_| Refusal::Invalid("a file is named by its digest: 64 lower-case hexadecimal digits".to_owned()))?;
    standing.spend_upload()?;
    let _slot = within(limits.upload, async { Ok(app.files.take(&attempt.build.account).await) }).await?;
    let body = Incoming::new(request, limits.file_bytes, limits.idle).paid_by(&standing);
    let tenant = tenant(&app, &attempt);
    store_file(&*tenant.store, &tenant.file(&digest), digest, body, limits.upload).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn manifest(
    State(app): State<Arc<App>>,
    LiveCaller { attempt, standing, .. }: LiveCaller,
    request: Request,
) -> Answer<ManifestResponse> {
    let limits = &app.parts.limits;
    standing.spend_upload()?;
    within(limits.upload, async {
        let _slot = app.manifests.take(&attempt.build.account).await;
        let body = Incoming::new(request, limits.manifest_bytes, limits.idle).paid_by(&standing);
        let (digest, stored) = store_manifest(&tenant(&app, &attempt), &body.whole().await?, limits).await?;
        standing.remember(digest, stored);
        Ok(Json(ManifestResponse { digest }))
    })
    .await
}

fn tenant(app: &App, attempt: &AttemptId) -> TenantStore {
    TenantStore::new(&app.parts.store, &attempt.build.account, &attempt.build.project)
}

/// The offset in `?from=N`.
fn offset(uri: &Uri) -> Result<u64, Refusal> {
    uri.query()
        .and_then(|query| query.strip_prefix("from="))
        .and_then(|from| from.parse().ok())
        .ok_or_else(|| Refusal::Invalid("say where the bytes belong: `?from=N`, a number of bytes".to_owned()))
}
