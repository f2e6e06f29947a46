//! Giving out an archive.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream::BoxStream;
use futures_util::{TryStreamExt, stream};
use netbuild_core::model::{CacheScope, Digest};
use object_store::ObjectStoreExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::figures;
use super::project::ProjectCaches;
use super::scope::found;
use crate::gateway::refusal::Refusal;
use crate::gateway::slots::Slot;

/// The archive of the first scope that the attempt may read and that has it. Its bytes are as the store has them: the
/// runner compares the digest, it has to anyway.
pub(super) async fn archive(
    project: &ProjectCaches,
    scope: &CacheScope,
    digest: &Digest,
    slot: Slot,
    (idle, deadline): (Duration, Duration),
) -> Result<Response, Refusal> {
    for readable in scope.readable() {
        let caches = project.scope(&readable);
        // No archive is empty, but a list shows a pipe so, which must not be opened.
        if matches!(caches.archive_bytes(digest).await?, None | Some(0)) {
            continue;
        }
        if let Some(archive) = found(caches.store.get(&caches.archive(digest)).await)? {
            let bytes = archive.meta.size;
            figures::restored(bytes);
            let head = [(CONTENT_LENGTH, bytes.to_string()), (CONTENT_TYPE, "application/octet-stream".to_owned())];
            return Ok((head, paced(archive.into_stream(), slot, idle, deadline)).into_response());
        }
    }
    Err(Refusal::NoArchive)
}

/// A body whose slot is given back when it is sent, when its reader stops reading for `idle`, and after `deadline`. The
/// server asks a body for nothing while its reader does not read, so a task of its own has to see to that; it ends with
/// the body. A body that ends before its length breaks the connection, so nobody takes it for the whole.
fn paced(
    mut pieces: BoxStream<'static, object_store::Result<Bytes>>,
    slot: Slot,
    idle: Duration,
    deadline: Duration,
) -> Body {
    let (to, from) = mpsc::channel(1);
    let mut task = JoinSet::new();
    task.spawn(async move {
        let _slot = slot;
        let send = async {
            while let Ok(Some(piece)) = pieces.try_next().await {
                if !matches!(timeout(idle, to.send(piece)).await, Ok(Ok(()))) {
                    return;
                }
            }
        };
        let _ = timeout(deadline, send).await;
    });
    Body::from_stream(stream::unfold((from, task), async |(mut from, task)| {
        let piece = from.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), (from, task)))
    }))
}
