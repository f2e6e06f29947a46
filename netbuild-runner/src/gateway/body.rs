//! Reading the body of a request within its bounds.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

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
}

impl Incoming {
    /// The body of a request, at most `limit` bytes, with pauses of at most `idle`.
    pub(super) fn new(request: Request, limit: u64, idle: Duration) -> Self {
        let body: Body = request.into_body();
        Incoming { stream: body.into_data_stream(), ahead: Bytes::new(), left: limit, limit, idle }
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
        match self.left.checked_sub(piece.len() as u64) {
            Some(left) => self.left = left,
            None => {
                self.discard().await;
                return Err(Refusal::TooLarge { limit: self.limit });
            }
        }
        Ok(Some(piece))
    }

    /// Reads the rest and drops it, before a refusal that does not need the body.
    pub(super) async fn discard(&mut self) {
        let rest = async { while let Some(Ok(_)) = self.stream.next().await {} };
        // Past the time the sender has to live with a broken connection.
        let _ = tokio::time::timeout(DISCARD, rest).await;
    }
}
