//! Reading a repository on this machine. Git's own `file` transport starts a `git` program; this one needs none.

use std::path::Path;

use gix::{ObjectId, Repository};
use netbuild_core::model::{Cause, Failure, Revision};

use super::checkout::opened_again;
use super::error::not_found;
use super::names;

/// Lets the workspace's repository borrow the objects of the one at `path`, and finds the commit.
pub(super) fn fetch(
    workspace: Repository,
    path: &Path,
    revision: &Revision,
) -> Result<(Repository, ObjectId), Failure> {
    let source = gix::open_opts(path, workspace.open_options().clone()).map_err(|error| {
        Failure::new(Cause::SourceNotFound, format!("no repository at {}: {error}", path.display()))
    })?;
    let commit = find(&source, revision)?;
    let objects = path_of_objects(&source)?;
    let alternates = workspace.objects.store_ref().path().join("info").join("alternates");
    std::fs::create_dir_all(alternates.parent().expect("`info` was joined above"))
        .and_then(|()| std::fs::write(&alternates, objects))
        .map_err(|error| Failure::new(Cause::HostDisk, format!("the workspace could not be written: {error}")))?;
    Ok((opened_again(&workspace)?, commit))
}

fn find(source: &Repository, revision: &Revision) -> Result<ObjectId, Failure> {
    let object = match revision {
        Revision::Commit(id) => {
            ObjectId::from_hex(id.as_bytes()).ok().and_then(|id| source.try_find_object(id).ok().flatten())
        }
        _ => names::candidates(revision)
            .iter()
            .find_map(|name| source.try_find_reference(name.as_str()).ok().flatten())
            .and_then(|mut reference| reference.peel_to_id().ok())
            .and_then(|id| id.object().ok()),
    };
    object.and_then(|object| object.peel_to_commit().ok()).map(|commit| commit.id).ok_or_else(|| not_found(revision))
}

fn path_of_objects(source: &Repository) -> Result<Vec<u8>, Failure> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::path::absolute(source.objects.store_ref().path())
        .map_err(|error| Failure::new(Cause::SourceUnavailable, format!("the repository's objects: {error}")))?;
    let bytes = path.as_os_str().as_bytes();
    // A line each, and a leading quote or hash means something else there.
    if bytes.contains(&b'\n') || !bytes.starts_with(b"/") {
        return Err(Failure::new(Cause::SourceRefused, "the repository's path cannot be written down for Git"));
    }
    Ok([bytes, b"\n"].concat())
}
