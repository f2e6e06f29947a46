//! The command's own user: what it is given.

use std::ffi::CStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::lchown;
use std::path::PathBuf;

use netbuild_core::model::{Cause, Failure};
use rustix::fs::{AtFlags, Gid, Uid, chownat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::walk::walk;

/// Gives folders with all that is in them to a user and the group of the same number, without following links. What is in
/// them was made by the runner alone: nothing of the user runs yet.
///
/// # Errors
/// [`Cause::RunnerBroken`]: only a privileged runner can do it.
pub(super) fn give(folders: impl IntoIterator<Item = PathBuf>, user: u32) -> Result<(), Failure> {
    give_all(folders, user).map_err(|error| {
        let text = format!("the workspace cannot be given to the command's user {user}: {error}");
        Failure::new(Cause::RunnerBroken, text)
    })
}

fn give_all(folders: impl IntoIterator<Item = PathBuf>, user: u32) -> io::Result<()> {
    let (owner, group) = (Uid::from_raw(user), Gid::from_raw(user));
    for folder in folders {
        lchown(&folder, Some(user), Some(user))?;
        let give = |parent: BorrowedFd<'_>, name: &CStr| {
            chownat(parent, name, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)
        };
        walk(&folder, |parent, name, _| give(parent, name), Err)?;
    }
    Ok(())
}

/// Bounds the processes of the command's user, in all that the runner starts from now on. The system counts by user and
/// lets root have any number, so that the runner, which is root where the command has a user of its own, is under no bound;
/// in a user namespace it shares one with what else runs as its user outside.
/// Set before the command's process is there: nothing in its environment can prevent it.
pub(super) fn bound_processes(wanted: u64) -> io::Result<()> {
    let most = getrlimit(Resource::Nproc).maximum.map_or(wanted, |most| wanted.min(most));
    Ok(setrlimit(Resource::Nproc, Rlimit { current: Some(most), maximum: Some(most) })?)
}
