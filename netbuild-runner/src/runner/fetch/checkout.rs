//! The workspace's repository, and the checkout of a commit into it.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use gix::progress::Discard;
use gix::{ObjectId, Repository};
use netbuild_core::model::{Cause, Failure, JobRules};

use super::error::{broken, malformed, refused};
use super::tree;

/// Makes `work` with an empty repository in it.
pub(super) fn workspace(work: &Path) -> Result<Repository, Failure> {
    let create = gix::create::Options { destination_must_be_empty: Some(true), ..Default::default() };
    gix::ThreadSafeRepository::init_opts(work, gix::create::Kind::WithWorktree, create, gix::open::Options::isolated())
        .map(Into::into)
        .map_err(|error| broken("the workspace could not be made", &error))
}

/// Puts the tree of `commit` into the workspace and lets its HEAD stand there, detached.
///
/// Only what Git itself does without being configured happens to the files: no filter programs, no hooks.
pub(super) fn checkout(
    repository: &Repository,
    commit: ObjectId,
    rules: &JobRules,
    interrupt: &AtomicBool,
) -> Result<(), Failure> {
    let unreadable = |error: &gix::Error| broken("the commit could not be checked out", error);
    let tree =
        repository.find_object(commit).and_then(|object| object.peel_to_tree()).map_err(|error| unreadable(&error))?;
    let mut index =
        repository.index_from_tree(&tree.id).map_err(|error| malformed("the commit's tree is not one", &error))?;
    tree::admit(repository, &index, rules, interrupt)?;

    let mut options = repository
        .checkout_options(gix::worktree::stack::state::attributes::Source::IdMapping)
        .map_err(|error| unreadable(&error))?;
    options.destination_is_initially_empty = true;
    let work = repository.workdir().expect("the workspace was made with a work tree");
    let objects = repository.objects.clone().into_arc().map_err(|error| {
        Failure::new(Cause::RunnerBroken, format!("the object store could not be opened again: {error}"))
    })?;
    let done = gix::worktree::state::checkout(&mut index, work, objects, &Discard, &Discard, interrupt, options)
        .map_err(|error| unreadable(&error))?;
    if let Some(collision) = done.collisions.first() {
        return Err(refused(format!("{}: another path of the tree is in its place", collision.path)));
    }
    index.write(Default::default()).map_err(|error| unreadable(&error))?;
    std::fs::write(repository.git_dir().join("HEAD"), format!("{commit}\n"))
        .map_err(|error| Failure::new(Cause::HostDisk, format!("HEAD could not be written: {error}")))
}
