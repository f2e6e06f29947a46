//! The command's own user: what it is given.

use std::ffi::CStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::lchown;
use std::path::PathBuf;

use netbuild_core::model::{Cause, Failure};
use rustix::fs::{AtFlags, Gid, Uid, chownat};
use rustix::process::{Resource, getrlimit};

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

/// A script for `/bin/sh -c` that runs the command in its argument 0 with at most as many processes as its argument 1 says.
///
/// The shell sets the bound, so that only the command has it: whoever kills the user's processes starts as the same user.
/// Shells call it by one of two letters.
pub(super) const LIMIT_PROCESSES: &str = r#"ulimit -p "$1" 2> /dev/null || ulimit -u "$1"; exec /bin/sh -c "$0""#;

/// The most processes that a user of this machine can be allowed, up to `wanted`.
pub(super) fn process_limit(wanted: u64) -> u64 {
    getrlimit(Resource::Nproc).maximum.map_or(wanted, |most| wanted.min(most))
}
