//! Who asks.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use netbuild_core::model::{AttemptId, CacheScope, GatewayClaim};

use super::app::App;
use super::attempts::Standing;
use super::places::Place;
use super::refusal::{Refusal, within};

/// What the request's token proves. Every handler takes it first, or a [`LiveCaller`], before it reads the body.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) attempt: AttemptId,
    pub(super) scope: CacheScope,
    /// The connection that it came by.
    pub(super) place: Arc<Place>,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let token = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or(Refusal::Unauthorized)?;
        let GatewayClaim { attempt, scope } = app.parts.key.verify(token).map_err(|_| Refusal::Unauthorized)?;
        tracing::Span::current().record("attempt", tracing::field::display(&attempt));
        let place =
            parts.extensions.get::<Arc<Place>>().expect("`serve` gives each request the place of its connection");
        Ok(Caller { attempt, scope, place: Arc::clone(place) })
    }
}

/// Who may send something: a caller whose attempt is not over.
#[derive(Debug)]
pub(super) struct LiveCaller {
    pub(super) attempt: AttemptId,
    pub(super) scope: CacheScope,
    pub(super) standing: Arc<Standing>,
}

impl FromRequestParts<Arc<App>> for LiveCaller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let Caller { attempt, scope, place } = Caller::from_request_parts(parts, app).await?;
        let standing = app.attempts.of(&attempt);
        let asked = within(app.parts.limits.request, async { Ok(app.attempts.is_live(&attempt, &standing).await?) });
        if !asked.await? {
            return Err(Refusal::Over);
        }
        place.admit(&attempt)?;
        Ok(LiveCaller { attempt, scope, standing })
    }
}
