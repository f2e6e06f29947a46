//! Uploading what the origin lacks, then the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use netbuild_core::model::{Cause, DeployInfo, Digest, Failure};
use reqwest::StatusCode;

use super::collect::Collected;
use super::gateway_client::{GatewayClient, GatewayError, insist};
use crate::protocol::MAX_MISSING_DIGESTS;

/// Files on their way at once.
const AT_ONCE: usize = 4;

/// How often to begin anew when the origin has lost files in the meantime.
const ROUNDS: usize = 3;

/// Uploads a deploy. It repeats what may succeed later without end: the caller bounds it.
pub(super) async fn upload(client: &GatewayClient, collected: &Collected) -> Result<DeployInfo, Failure> {
    let manifest = Bytes::from(collected.manifest.to_bytes());
    let digest = Digest::of(&manifest);
    let contents = contents(collected);
    let mut uploaded = BTreeSet::new();
    let mut round = 1;
    loop {
        upload_missing(client, &contents, &mut uploaded).await.map_err(|error| failure(&error))?;
        match insist(async || client.put_manifest(manifest.clone()).await).await {
            Ok(stored) if stored == digest => break,
            Ok(stored) => {
                let text = format!("the gateway stored the manifest {digest} as {stored}");
                return Err(Failure::new(Cause::UploadFailed, text));
            }
            Err(GatewayError::Refused { status: StatusCode::CONFLICT, .. }) if round < ROUNDS => round += 1,
            // It says which of the paths cannot be published.
            Err(GatewayError::Refused { status: StatusCode::UNPROCESSABLE_ENTITY, text }) => {
                return Err(Failure::new(Cause::PublishInvalid, text));
            }
            Err(error) => return Err(failure(&error)),
        }
    }
    Ok(DeployInfo {
        manifest: digest,
        files: collected.manifest.files.len() as u64,
        bytes: collected.manifest.total_bytes(),
        uploaded: uploaded.len() as u64,
    })
}

/// Where each content can be read; files with the same content need one upload.
fn contents(collected: &Collected) -> BTreeMap<Digest, (PathBuf, u64)> {
    let files = collected.manifest.files.iter();
    files.map(|(path, file)| (file.digest, (collected.root.join(path.as_str()), file.bytes))).collect()
}

async fn upload_missing(
    client: &GatewayClient,
    contents: &BTreeMap<Digest, (PathBuf, u64)>,
    uploaded: &mut BTreeSet<Digest>,
) -> Result<(), GatewayError> {
    let digests: Vec<Digest> = contents.keys().copied().collect();
    for digests in digests.chunks(MAX_MISSING_DIGESTS) {
        let missing = insist(async || client.missing(digests).await).await?;
        // What was not asked for is not sent.
        let wanted = missing.into_iter().filter_map(|digest| Some((digest, contents.get(&digest)?)));
        let sent: Vec<Digest> = stream::iter(wanted)
            .map(async |(digest, (path, bytes))| {
                insist(async || client.put_file(digest, path, *bytes).await).await.map(|()| digest)
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        uploaded.extend(sent);
    }
    Ok(())
}

fn failure(error: &GatewayError) -> Failure {
    let cause = match error {
        GatewayError::Refused { status: StatusCode::PAYLOAD_TOO_LARGE, .. } => Cause::PublishTooLarge,
        GatewayError::File(_) => Cause::HostDisk,
        GatewayError::Refused { .. }
        | GatewayError::Full { .. }
        | GatewayError::Busy(_)
        | GatewayError::Unanswered(_) => Cause::UploadFailed,
    };
    Failure::new(cause, error.to_string())
}
