//! The gateway, as the runner talks to it: one request, one deadline, one typed answer.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use netbuild_core::model::{Digest, GatewayAccess, Report, RunPhase};
use reqwest::{Body, Client, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::{backoff, roots};
use crate::protocol::{
    HeartbeatRequest, HeartbeatResponse, LogResponse, ManifestResponse, MissingRequest, MissingResponse,
};

/// The deadline of small requests.
const DEADLINE: Duration = Duration::from_secs(15);

/// How long an upload may wait for its turn at the gateway. That the gateway is gone is noticed by the heartbeat.
const TURN: Duration = Duration::from_secs(10 * 60);

/// The slowest upload that is waited for, in bytes a second.
const SLOWEST: u64 = 128 << 10;

/// The most of an answer that becomes part of an error.
const MAX_REFUSAL_BYTES: usize = 1024;

/// Why a request had no success.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    /// No answer, or one that says to ask again.
    #[error("the gateway gave no answer")]
    Unanswered(#[source] reqwest::Error),
    /// It cannot answer now.
    #[error("the gateway cannot answer now ({0})")]
    Busy(StatusCode),
    /// It refused; asking again is pointless.
    #[error("the gateway refused with {status}: {text}")]
    Refused { status: StatusCode, text: String },
    /// The file to send cannot be read.
    #[error("the file cannot be read")]
    File(#[source] std::io::Error),
}

impl GatewayError {
    /// Whether asking again may help.
    pub(super) fn ask_again(&self) -> bool {
        match self {
            GatewayError::Unanswered(_) | GatewayError::Busy(_) => true,
            GatewayError::Refused { .. } | GatewayError::File(_) => false,
        }
    }
}

/// A gateway and the token for one attempt.
#[derive(Clone, Debug)]
pub(super) struct GatewayClient {
    http: Client,
    base: Url,
    token: SecretString,
}

impl GatewayClient {
    /// A client for the job's gateway. Nothing is sent yet.
    pub(super) fn new(access: &GatewayAccess) -> Result<Self, String> {
        let base = Url::parse(&format!("{}/", access.url.trim_end_matches('/'))).map_err(|error| error.to_string())?;
        let http = Client::builder()
            // A token is for one host: nobody else's variables or answers may lead it elsewhere.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(DEADLINE)
            .tls_certs_merge(roots::brought())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(GatewayClient { http, base, token: access.token.clone() })
    }

    /// Says that the runner lives, and asks what to do.
    pub(super) async fn heartbeat(&self, phase: RunPhase) -> Result<HeartbeatResponse, GatewayError> {
        read(self.post("v1/heartbeat").json(&HeartbeatRequest { phase })).await
    }

    /// Sends log bytes from an offset on; tells the offset to send next.
    pub(super) async fn log(&self, from: u64, bytes: Bytes) -> Result<u64, GatewayError> {
        let mut url = self.url("v1/log");
        url.query_pairs_mut().append_pair("from", &from.to_string());
        let request = self.prepare(self.http.put(url)).body(bytes);
        Ok(read::<LogResponse>(request).await?.next)
    }

    /// Asks which of the files the origin lacks.
    pub(super) async fn missing(&self, digests: &[Digest]) -> Result<Vec<Digest>, GatewayError> {
        let request = self.post("v1/files/missing").json(&MissingRequest { digests: digests.to_vec() });
        Ok(read::<MissingResponse>(request).await?.missing)
    }

    /// Uploads a file.
    pub(super) async fn put_file(&self, digest: Digest, path: &Path, bytes: u64) -> Result<(), GatewayError> {
        let file = tokio::fs::File::open(path).await.map_err(GatewayError::File)?;
        let request = self
            .put(&format!("v1/files/{digest}"))
            .header(reqwest::header::CONTENT_LENGTH, bytes)
            .timeout(TURN + Duration::from_secs(bytes / SLOWEST))
            .body(Body::from(file));
        send(request).await.map(drop)
    }

    /// Uploads a manifest; tells the digest under which the gateway stored it.
    pub(super) async fn put_manifest(&self, manifest: Bytes) -> Result<Digest, GatewayError> {
        let length = manifest.len() as u64;
        let request = self.put("v1/manifest").timeout(TURN + Duration::from_secs(length / SLOWEST)).body(manifest);
        Ok(read::<ManifestResponse>(request).await?.digest)
    }

    /// Reports the end.
    pub(super) async fn report(&self, report: &Report) -> Result<(), GatewayError> {
        send(self.post("v1/report").json(report)).await.map(drop)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.prepare(self.http.post(self.url(path)))
    }

    fn put(&self, path: &str) -> RequestBuilder {
        self.prepare(self.http.put(self.url(path)))
    }

    fn prepare(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(self.token.expose_secret()).timeout(DEADLINE)
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }
}

/// Repeats a request as long as that may help. It is unbounded: the caller stops it, at the latest at the run limit or
/// the lease's end.
pub(super) async fn insist<T>(mut call: impl AsyncFnMut() -> Result<T, GatewayError>) -> Result<T, GatewayError> {
    let mut repetition = 0;
    loop {
        match call().await {
            Err(error) if error.ask_again() => tokio::time::sleep(backoff::pause(repetition)).await,
            answer => return answer,
        }
        repetition += 1;
    }
}

async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, GatewayError> {
    send(request).await?.json().await.map_err(GatewayError::Unanswered)
}

async fn send(request: RequestBuilder) -> Result<Response, GatewayError> {
    let response = request.send().await.map_err(GatewayError::Unanswered)?;
    let status = response.status();
    if status.is_success() {
        Ok(response)
    } else if status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
    {
        Err(GatewayError::Busy(status))
    } else {
        Err(GatewayError::Refused { status, text: refusal(response).await })
    }
}

async fn refusal(mut response: Response) -> String {
    let mut text = Vec::new();
    while text.len() < MAX_REFUSAL_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => text.extend_from_slice(&chunk[..chunk.len().min(MAX_REFUSAL_BYTES - text.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
