//! Builds through a host: submitted, waited for, cancelled by Ctrl-C, and shown.

use std::path::{Path, PathBuf};
use std::time::Duration;

use netbuild_core::model::{Build, BuildId, BuildKey, BuildRecord, BuildState, CancelReason};
use netbuild_core::port::{Deploy, Event};
use netbuild_examples::host::{Host, HostError};
use netbuild_runner::gateway::{Origin, OriginError};

use crate::unfinished::{Unfinished, words};

/// How often the ledger is asked whether a build is over.
const LOOK: Duration = Duration::from_millis(50);

/// Submits the builds, or finds those of an earlier run of the same command that was not over, and answers their keys.
///
/// # Errors
/// When they could not be accepted.
pub(crate) async fn submit(
    host: &Host,
    state: &Path,
    builds: Vec<Build>,
) -> Result<(Unfinished, Vec<BuildKey>), Box<dyn std::error::Error>> {
    let run = Unfinished::resume(state, &words(&builds))?;
    let mut keys = Vec::new();
    for (nth, build) in builds.into_iter().enumerate() {
        let key = build.key();
        let recorded = host.submit(Event { key: run.key(nth), build }).await?;
        keys.push(BuildKey { build: recorded.build, ..key });
    }
    Ok((run, keys))
}

/// Waits until all builds are over; Ctrl-C cancels them first. Whether it was pressed, and the records.
///
/// # Errors
/// When the host broke.
pub(crate) async fn wait(host: &mut Host, keys: &[BuildKey]) -> Result<(bool, Vec<BuildRecord>), HostError> {
    let mut cancelled = false;
    loop {
        if let Some(records) = ended(host, keys).await? {
            return Ok((cancelled, records));
        }
        if cancelled {
            for key in keys {
                // Not admitted yet, or nobody leads at the moment: asked again at the next look. Over: nothing to do.
                let _ = host.handle.cancel(key, CancelReason::User).await;
            }
        }
        tokio::select! {
            biased;
            pressed = tokio::signal::ctrl_c() => match (pressed, cancelled) {
                (Ok(()), false) => {
                    eprintln!("cancelling; press Ctrl-C again to leave the builds to the next run");
                    cancelled = true;
                }
                _ => return Ok((true, records(host, keys).await?)),
            },
            broken = host.broken() => broken?,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn records(host: &Host, keys: &[BuildKey]) -> Result<Vec<BuildRecord>, HostError> {
    let mut records = Vec::new();
    for key in keys {
        records.extend(host.ledger.build(key).await?);
    }
    Ok(records)
}

async fn ended(host: &Host, keys: &[BuildKey]) -> Result<Option<Vec<BuildRecord>>, HostError> {
    let records = records(host, keys).await?;
    let over = records.iter().all(|record| matches!(record.state, BuildState::Ended { .. }));
    Ok((over && records.len() == keys.len()).then_some(records))
}

/// Writes the deploys of these builds, and the one that is visible now, as folders to look at, and points `site` in the
/// state folder to the visible one: to what the ledger says, and nothing else. Answers the folder of each build.
///
/// # Errors
/// When a deploy cannot be read or written. The builds are over all the same.
pub(crate) async fn show(
    host: &Host,
    state: &Path,
    build: &Build,
    keys: &[BuildKey],
) -> Result<Vec<(BuildId, PathBuf)>, Box<dyn std::error::Error>> {
    let deploys = host.ledger.deploys(&build.account, &build.project, &build.context).await?;
    let origin = Origin::new(host.origin.clone());
    let mut folders = Vec::new();
    let wanted = |deploy: &Deploy| deploy.current || keys.iter().any(|key| key.build == deploy.build);
    for deploy in deploys.into_iter().filter(wanted) {
        let folder = state.join("deploys").join(deploy.info.manifest.to_string());
        match origin.materialize(&build.account, &build.project, &deploy.info.manifest, &folder).await {
            Ok(_) | Err(OriginError::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if deploy.current {
            point(&state.join("site"), &folder)?;
        }
        folders.push((deploy.build, folder));
    }
    Ok(folders)
}

/// Points a symbolic link somewhere else in one step.
fn point(link: &Path, target: &Path) -> std::io::Result<()> {
    let beside = link.with_extension("new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, &beside)?;
    std::fs::rename(&beside, link)
}
