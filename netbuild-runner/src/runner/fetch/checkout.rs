//! The workspace's repository, and the checkout of a commit into it.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use gix::progress::Discard;
use gix::{ObjectId, Repository};
use netbuild_core::model::{Cause, Failure, JobRules};

use super::error::{broken, refused, unreadable};
use super::tree;

/// How many times an object's bytes gix may take at once: an object that is kept as a difference from another is put
/// together with the other and the difference beside it.
const COPIES: u64 = 3;

/// Makes `work` with an empty repository in it, in which no object takes more memory than the rules allow.
pub(super) fn workspace(work: &Path, rules: &JobRules) -> Result<Repository, Failure> {
    let create = gix::create::Options { destination_must_be_empty: Some(true), ..Default::default() };
    let object_bytes = rules.source_object_bytes.saturating_mul(COPIES);
    let options = gix::open::Options::isolated().config_overrides([
        format!("gitoxide.objects.allocLimit={}", object_bytes.min(i64::MAX.unsigned_abs())),
        // Each thread would hold an object of its own.
        "pack.threads=1".to_owned(),
        "checkout.workers=1".to_owned(),
    ]);
    gix::ThreadSafeRepository::init_opts(work, gix::create::Kind::WithWorktree, create, options)
        .map(Into::into)
        .map_err(|error| broken("the workspace could not be made", &error))
}

/// The workspace's repository, with what came into it since it was opened.
pub(super) fn opened_again(workspace: &Repository) -> Result<Repository, Failure> {
    gix::open_opts(workspace.git_dir(), workspace.open_options().clone())
        .map_err(|error| broken("the workspace could not be opened", &error))
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
    let failed = |error: &gix::Error| unreadable("the commit could not be checked out", error);
    let tree = repository
        .find_commit(commit)
        .and_then(|commit| commit.tree_id().map(gix::Id::detach))
        .map_err(|error| unreadable("the commit", &error))?;
    tree::admit(repository, tree, rules, interrupt)?;
    let mut index = repository.index_from_tree(&tree).map_err(|error| failed(&error))?;

    let mut options = repository
        .checkout_options(gix::worktree::stack::state::attributes::Source::IdMapping)
        .map_err(|error| failed(&error))?;
    options.destination_is_initially_empty = true;
    let work = repository.workdir().expect("the workspace was made with a work tree");
    let objects = repository.objects.clone().into_arc().map_err(|error| {
        Failure::new(Cause::RunnerBroken, format!("the object store could not be opened again: {error}"))
    })?;
    let done = gix::worktree::state::checkout(&mut index, work, objects, &Discard, &Discard, interrupt, options)
        .map_err(|error| failed(&error))?;
    if let Some(collision) = done.collisions.first() {
        return Err(refused(format!("{}: another path of the tree is in its place", collision.path)));
    }
    index.write(Default::default()).map_err(|error| failed(&error))?;
    std::fs::write(repository.git_dir().join("HEAD"), format!("{commit}\n"))
        .map_err(|error| Failure::new(Cause::HostDisk, format!("HEAD could not be written: {error}")))
}
