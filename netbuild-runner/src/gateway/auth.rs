//! Who asks.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use netbuild_core::model::AttemptId;

use super::app::App;
use super::refusal::Refusal;

/// The attempt that the request's token speaks for. Every handler takes it first, before it reads the body.
#[derive(Debug)]
pub(super) struct Caller(pub(super) AttemptId);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let token = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or(Refusal::Unauthorized)?;
        let attempt = app.parts.key.verify(token).map_err(|_| Refusal::Unauthorized)?;
        tracing::Span::current().record("attempt", tracing::field::display(&attempt));
        Ok(Caller(attempt))
    }
}
