//! Why a request is refused, and what its sender shall do.

use std::io;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use netbuild_core::port::{LogStoreError, NotLeading};

/// A request that was not carried out. Its texts reach the runner; none holds a token or another tenant's data.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the token is not good here: use the token of the job, unchanged, as `Authorization: Bearer …`")]
    Unauthorized,
    #[error("there is no such route: runner and gateway may be of different versions")]
    NoRoute,
    #[error("this route has another method: runner and gateway may be of different versions")]
    NoMethod,
    #[error("{missing} of {of} files are missing or have another size: upload them and send the manifest again")]
    FilesMissing { missing: usize, of: usize },
    #[error("no archive with this digest can be read by this attempt: go on without it")]
    NoArchive,
    #[error("the archive is not in the attempt's own scope, or has another length: upload it first")]
    ArchiveMissing,
    #[error("the project has uploaded too many archives that are no entries: go on without saving")]
    NoRoomForArchives,
    #[error("the body is over {limit} bytes: send less")]
    TooLarge { limit: u64 },
    #[error("{0}")]
    Invalid(String),
    #[error(
        "the deploy is over {limit} {what}: publish less, or raise the gateway's limit together with the job rules"
    )]
    DeployTooLarge { limit: u64, what: &'static str },
    #[error("the attempt has sent over {limit} {what}: nothing more is taken from it")]
    Quota { limit: u64, what: &'static str },
    #[error("the attempt asks too often: wait a moment")]
    TooOften,
    #[error("the attempt, or all of them together, have too many connections: close some and ask again")]
    Connections,
    #[error("the attempt is over: nothing more is taken from it")]
    Over,
    #[error("the body did not arrive as a whole: send it again")]
    Cut,
    #[error("it took longer than {} s: ask again", .0.as_secs_f32())]
    Deadline(Duration),
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    #[error("the object store is not available: ask again")]
    Store(#[source] object_store::Error),
    #[error("the disk of the object store is full: make room there and build again")]
    StoreFull(#[source] object_store::Error),
    #[error("the log store is not available: ask again")]
    Logs(#[source] LogStoreError),
    #[error("the disk of the log store is full: make room there")]
    LogsFull(#[source] LogStoreError),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
            Refusal::NoRoute | Refusal::NoArchive => StatusCode::NOT_FOUND,
            Refusal::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::FilesMissing { .. } | Refusal::ArchiveMissing => StatusCode::CONFLICT,
            Refusal::TooLarge { .. } | Refusal::DeployTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Quota { .. } => StatusCode::FORBIDDEN,
            Refusal::TooOften | Refusal::Connections => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Over => StatusCode::GONE,
            Refusal::StoreFull(_) | Refusal::LogsFull(_) | Refusal::NoRoomForArchives => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            Refusal::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Cut | Refusal::Deadline(_) | Refusal::NotLeading(_) | Refusal::Store(_) | Refusal::Logs(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

impl From<object_store::Error> for Refusal {
    fn from(error: object_store::Error) -> Self {
        if is_disk_full(&error) { Refusal::StoreFull(error) } else { Refusal::Store(error) }
    }
}

impl From<LogStoreError> for Refusal {
    fn from(error: LogStoreError) -> Self {
        if is_disk_full(&error) { Refusal::LogsFull(error) } else { Refusal::Logs(error) }
    }
}

/// Whether a disk, or a quota on it, is full: then asking again at once is pointless. The stores have no error of their own
/// for it and carry the system's among their sources.
fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let full = |error: &io::Error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.filter_map(|error| error.downcast_ref::<io::Error>()).any(full)
}

impl Refusal {
    /// Whether who is refused like this has no more business on the connection.
    fn ends_connection(&self) -> bool {
        matches!(
            self,
            Refusal::Unauthorized | Refusal::NoRoute | Refusal::Quota { .. } | Refusal::Connections | Refusal::Over
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        match std::error::Error::source(&self) {
            Some(source) => tracing::warn!(%status, error = %self, source, "refused"),
            None => tracing::debug!(%status, error = %self, "refused"),
        }
        let ends = self.ends_connection();
        let mut response = (status, Json(serde_json::json!({ "error": self.to_string() }))).into_response();
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if ends {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Ends work that takes too long. The work is dropped; what it has done stays.
pub(super) async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    tokio::time::timeout(deadline, work).await.unwrap_or(Err(Refusal::Deadline(deadline)))
}
