//! Who asks.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use netbuild_core::model::{AttemptId, CacheScope, GatewayClaim};

use super::app::App;
use super::refusal::Refusal;

/// What the request's token proves. Every handler takes it first, before it reads the body.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) attempt: AttemptId,
    pub(super) scope: CacheScope,
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
        Ok(Caller { attempt, scope })
    }
}
