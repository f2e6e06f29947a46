//! The routes of caches.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use netbuild_core::model::{AttemptId, Digest};

use super::download::archive;
use super::find::{broken, find};
use super::project::ProjectCaches;
use super::save::{save, upload};
use crate::gateway::app::App;
use crate::gateway::auth::LiveCaller;
use crate::gateway::body::Incoming;
use crate::gateway::refusal::{Refusal, within};
use crate::protocol::{BrokenCacheRequest, FindCacheRequest, FindCacheResponse, SaveCacheRequest};

/// The largest question, in bytes: a name, two digests and a number.
const QUESTION_BYTES: u64 = 4 << 10;

pub(in crate::gateway) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/caches/find", post(find_entry))
        .route("/v1/caches/archives/{digest}", get(get_archive).put(put_archive))
        .route("/v1/caches/entry", put(put_entry))
        .route("/v1/caches/broken", post(broken_entry))
}

async fn find_entry(
    State(app): State<Arc<App>>,
    LiveCaller { attempt, scope, .. }: LiveCaller,
    request: Request,
) -> Result<Json<FindCacheResponse>, Refusal> {
    let limits = &app.parts.limits;
    within(limits.request, async {
        let _slot = app.small.take(&attempt.build.account).await;
        let wanted: FindCacheRequest = Incoming::new(request, QUESTION_BYTES, limits.idle).json().await?;
        Ok(Json(find(&project(&app, &attempt), &scope, &wanted, app.parts.caches.now()).await?))
    })
    .await
}

async fn get_archive(
    State(app): State<Arc<App>>,
    LiveCaller { attempt, scope, .. }: LiveCaller,
    digest: Result<Path<Digest>, PathRejection>,
) -> Result<Response, Refusal> {
    let limits = &app.parts.limits;
    let digest = named(digest)?;
    within(limits.upload, async {
        let slot = app.archives.take(&attempt.build.account).await;
        let pace = (limits.idle, limits.upload);
        archive(&project(&app, &attempt), &scope, &digest, slot, pace).await
    })
    .await
}

async fn put_archive(
    State(app): State<Arc<App>>,
    LiveCaller { attempt, scope, standing }: LiveCaller,
    digest: Result<Path<Digest>, PathRejection>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let limits = &app.parts.limits;
    let caches = &app.parts.caches;
    let digest = named(digest)?;
    standing.spend_upload()?;
    let _slot = within(limits.upload, async { Ok(app.archives.take(&attempt.build.account).await) }).await?;
    let largest = caches.limits().largest(&scope);
    // A body that does not say its length may have the largest.
    let said = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let body = Incoming::new(request, largest, limits.idle).paid_by(&standing);
    let body = (said.map_or(largest, |said: u64| said.min(largest)), body);
    let project = project(&app, &attempt);
    upload(&project, &scope, digest, body, caches.limits(), limits.upload, caches.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn put_entry(
    State(app): State<Arc<App>>,
    LiveCaller { attempt, scope, .. }: LiveCaller,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let limits = &app.parts.limits;
    let caches = &app.parts.caches;
    within(limits.request, async {
        let _slot = app.small.take(&attempt.build.account).await;
        let asked: SaveCacheRequest = Incoming::new(request, QUESTION_BYTES, limits.idle).json().await?;
        save(&project(&app, &attempt), &scope, asked, caches.limits(), caches.now()).await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

async fn broken_entry(
    State(app): State<Arc<App>>,
    LiveCaller { attempt, scope, standing }: LiveCaller,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let limits = &app.parts.limits;
    // The gateway may read a whole archive for it: it counts and waits as one.
    standing.spend_upload()?;
    within(limits.upload, async {
        let _slot = app.archives.take(&attempt.build.account).await;
        let said: BrokenCacheRequest = Incoming::new(request, QUESTION_BYTES, limits.idle).json().await?;
        broken(&project(&app, &attempt), &scope, &said).await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

fn project(app: &App, attempt: &AttemptId) -> ProjectCaches {
    app.parts.caches.project(&attempt.build.account, &attempt.build.project)
}

fn named(digest: Result<Path<Digest>, PathRejection>) -> Result<Digest, Refusal> {
    let Path(digest) = digest.map_err(|_| {
        Refusal::Invalid("an archive is named by its digest: 64 lower-case hexadecimal digits".to_owned())
    })?;
    Ok(digest)
}
