//! The gateway, as the runner talks to it: one request, one deadline, one typed answer.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use netbuild_core::model::{Digest, GatewayAccess, Report, RunPhase};
use reqwest::{Body, Client, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::backoff;
use super::hashing::Hashing;
use crate::protocol::{
    BrokenCacheRequest, FindCacheRequest, FindCacheResponse, HeartbeatRequest, HeartbeatResponse, LogResponse,
    ManifestResponse, MissingRequest, MissingResponse, SaveCacheRequest,
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
    /// The disk on its side is full; asking again soon is pointless.
    #[error("a disk behind the gateway is full: {text}")]
    Full { text: String },
    /// The file to send cannot be read.
    #[error("the file cannot be read")]
    File(#[source] std::io::Error),
}

impl GatewayError {
    /// Whether asking again may help.
    pub(super) fn ask_again(&self) -> bool {
        match self {
            GatewayError::Unanswered(_) | GatewayError::Busy(_) => true,
            GatewayError::Refused { .. } | GatewayError::Full { .. } | GatewayError::File(_) => false,
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
        self.upload(&format!("v1/files/{digest}"), path, bytes).await
    }

    /// Asks for the entry of a cache.
    pub(super) async fn find_cache(&self, cache: &FindCacheRequest) -> Result<FindCacheResponse, GatewayError> {
        read(self.post("v1/caches/find").json(cache)).await
    }

    /// Downloads a cache's archive of `bytes` bytes to `path`. Tells the digest of what came, which is at most a little
    /// more than that.
    pub(super) async fn get_archive(&self, archive: Digest, bytes: u64, path: &Path) -> Result<Digest, GatewayError> {
        let url = self.url(&format!("v1/caches/archives/{archive}"));
        let request = self.prepare(self.http.get(url)).timeout(transfer(bytes));
        let mut response = send(request).await?;
        let mut file = Hashing::new(std::fs::File::create(path).map_err(GatewayError::File)?);
        let mut left = bytes;
        while let Some(chunk) = response.chunk().await.map_err(GatewayError::Unanswered)? {
            // A chunk is what one read brings: to write it does not hold anybody up.
            file.write_all(&chunk).map_err(GatewayError::File)?;
            match left.checked_sub(chunk.len() as u64) {
                Some(rest) => left = rest,
                None => break,
            }
        }
        Ok(file.finish().1)
    }

    /// Uploads a cache's archive.
    pub(super) async fn put_archive(&self, archive: Digest, path: &Path, bytes: u64) -> Result<(), GatewayError> {
        self.upload(&format!("v1/caches/archives/{archive}"), path, bytes).await
    }

    /// Makes an uploaded archive the entry of its key.
    pub(super) async fn save_cache(&self, entry: &SaveCacheRequest) -> Result<(), GatewayError> {
        send(self.put("v1/caches/entry").json(entry)).await.map(drop)
    }

    /// Says that an entry cannot be used.
    pub(super) async fn broken_cache(&self, entry: &BrokenCacheRequest) -> Result<(), GatewayError> {
        send(self.post("v1/caches/broken").json(entry)).await.map(drop)
    }

    /// Uploads a manifest; tells the digest under which the gateway stored it.
    pub(super) async fn put_manifest(&self, manifest: Bytes) -> Result<Digest, GatewayError> {
        let request = self.put("v1/manifest").timeout(transfer(manifest.len() as u64)).body(manifest);
        Ok(read::<ManifestResponse>(request).await?.digest)
    }

    /// Reports the end.
    pub(super) async fn report(&self, report: &Report) -> Result<(), GatewayError> {
        send(self.post("v1/report").json(report)).await.map(drop)
    }

    async fn upload(&self, url: &str, path: &Path, bytes: u64) -> Result<(), GatewayError> {
        let file = tokio::fs::File::open(path).await.map_err(GatewayError::File)?;
        let request = self
            .put(url)
            .header(reqwest::header::CONTENT_LENGTH, bytes)
            .timeout(transfer(bytes))
            .body(Body::from(file));
        send(request).await.map(drop)
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

/// How long to wait for the transfer of so many bytes.
fn transfer(bytes: u64) -> Duration {
    TURN + Duration::from_secs(bytes / SLOWEST)
}

/// Repeats a request as long as that may help. It is unbounded: the caller stops it, at the latest at the run limit or
/// the lease's end.
pub(super) async fn insist<T>(call: impl AsyncFnMut() -> Result<T, GatewayError>) -> Result<T, GatewayError> {
    try_times(u32::MAX, call).await
}

/// Makes a request, and up to `times` in all as long as that may help.
pub(super) async fn try_times<T>(
    times: u32,
    mut call: impl AsyncFnMut() -> Result<T, GatewayError>,
) -> Result<T, GatewayError> {
    let mut repetition = 0;
    loop {
        match call().await {
            Err(error) if error.ask_again() && repetition + 1 < times => {
                tokio::time::sleep(backoff::pause(repetition)).await;
            }
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
    } else if status == StatusCode::INSUFFICIENT_STORAGE {
        Err(GatewayError::Full { text: refusal(response).await })
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
