//! Reading the body of a request within its bounds.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::attempts::Standing;
use super::refusal::Refusal;

/// How long the rest of a body that is too large is read and dropped. Closing the connection at once would make the
/// sender see a broken connection in the place of the answer.
const DISCARD: Duration = Duration::from_secs(5);

/// A body that is read piece by piece.
pub(super) struct Incoming {
    stream: BodyDataStream,
    /// What arrived and is not yet given out.
    ahead: Bytes,
    /// How many bytes may still arrive.
    left: u64,
    limit: u64,
    idle: Duration,
    /// Whose quota it counts to.
    payer: Option<Arc<Standing>>,
}

impl Incoming {
    /// The body of a request, at most `limit` bytes, with pauses of at most `idle`.
    pub(super) fn new(request: Request, limit: u64, idle: Duration) -> Self {
        let body: Body = request.into_body();
        Incoming { stream: body.into_data_stream(), ahead: Bytes::new(), left: limit, limit, idle, payer: None }
    }

    /// Its bytes count to the quota of an attempt.
    pub(super) fn paid_by(mut self, payer: &Arc<Standing>) -> Self {
        self.payer = Some(Arc::clone(payer));
        self
    }

    /// The next `bytes` bytes; fewer only at the end.
    pub(super) async fn part(&mut self, bytes: usize) -> Result<Bytes, Refusal> {
        let mut part = Vec::new();
        while part.len() < bytes {
            if self.ahead.is_empty() {
                match self.piece().await? {
                    Some(piece) => self.ahead = piece,
                    None => break,
                }
            }
            let taken = self.ahead.split_to(self.ahead.len().min(bytes - part.len()));
            part.extend_from_slice(&taken);
        }
        Ok(part.into())
    }

    /// All of it.
    pub(super) async fn whole(mut self) -> Result<Bytes, Refusal> {
        self.part(usize::MAX).await
    }

    /// All of it, read as JSON.
    pub(super) async fn json<T: DeserializeOwned>(self) -> Result<T, Refusal> {
        let bytes = self.whole().await?;
        serde_json::from_slice(&bytes).map_err(|error| Refusal::Invalid(format!("the body cannot be read: {error}")))
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Refusal> {
        let next =
            tokio::time::timeout(self.idle, self.stream.next()).await.map_err(|_| Refusal::Deadline(self.idle))?;
        let Some(piece) = next.transpose().map_err(|_| Refusal::Cut)? else { return Ok(None) };
        let taken = self.take(piece.len());
        if taken.is_err() {
            self.discard().await;
        }
        taken.map(|()| Some(piece))
    }

    fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.left = self.left.checked_sub(bytes as u64).ok_or(Refusal::TooLarge { limit: self.limit })?;
        self.payer.as_ref().map_or(Ok(()), |payer| payer.spend_bytes(bytes))
    }

    /// Reads the rest and drops it, before a refusal that does not need the body.
    pub(super) async fn discard(&mut self) {
        let rest = async { while let Some(Ok(_)) = self.stream.next().await {} };
        // Past the time the sender has to live with a broken connection.
        let _ = tokio::time::timeout(DISCARD, rest).await;
    }
}
