//! The users that commands run as: one for each attempt, held by its folder.
//!
//! The folder belongs to the group of the same number, and only that group may enter it. So the mode of a folder is at
//! once what keeps all others out, and the record of who has which user: it holds over restarts, for all executors on the
//! root, and until the last file of the attempt is deleted.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::error::OpenError;
use super::proc_table::Traces;
use super::signals::sweep;

/// Locked while a user is chosen, until the folder holds it.
const LOCK: &str = ".users";

/// A user that is this attempt's once its folder is made. Until then no other executor chooses one.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) user: u32,
    _lock: File,
}

/// The answer to a try for a user.
#[derive(Debug)]
pub(super) enum Reservation {
    Reserved(Reserved),
    /// Somebody else is at it, or processes of the last free ones are just being killed.
    Busy,
    /// All have an attempt.
    NoneLeft,
}

/// Checks what can be known before the first start, and lets others enter the root folder.
pub(super) fn prepare(root: &Path, users: &Range<u32>) -> Result<(), OpenError> {
    check(users, rustix::process::geteuid().is_root())?;
    let failed = |source| OpenError::Root { root: root.to_owned(), source };
    let root = fs::canonicalize(root).map_err(failed)?;
    for folder in root.ancestors().skip(1) {
        if fs::metadata(folder).map_err(failed)?.mode() & 0o001 == 0 {
            return Err(OpenError::Unreachable { root: root.clone(), folder: folder.to_owned() });
        }
    }
    fs::set_permissions(&root, Permissions::from_mode(0o711)).map_err(failed)
}

fn check(users: &Range<u32>, is_root: bool) -> Result<(), OpenError> {
    if users.is_empty() || users.start == 0 {
        return Err(OpenError::Users(users.clone()));
    }
    if is_root { Ok(()) } else { Err(OpenError::NotRoot) }
}

/// Chooses a user of the range that no attempt in the root folder has and of which nothing runs.
pub(super) fn reserve(root: &Path, users: &Range<u32>) -> io::Result<Reservation> {
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(root.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Reservation::Busy),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let taken = taken(root, users)?;
    let mut some_left = false;
    for user in users.clone().filter(|user| !taken.contains(user)) {
        some_left = true;
        // An attempt that was killed with its runner may have left processes that nobody looked for since.
        if sweep(&Traces { user: Some(user), ..Traces::default() })? {
            return Ok(Reservation::Reserved(Reserved { user, _lock: lock }));
        }
    }
    Ok(if some_left { Reservation::Busy } else { Reservation::NoneLeft })
}

/// Which users have a folder, also one that is being made or deleted.
fn taken(root: &Path, users: &Range<u32>) -> io::Result<BTreeSet<u32>> {
    let mut taken = BTreeSet::new();
    for entry in fs::read_dir(root)? {
        taken.extend(of(&entry?.path(), users)?);
    }
    Ok(taken)
}

/// Makes a folder the user's: it may enter it, and change nothing in it.
pub(super) fn give(folder: &Path, user: u32) -> io::Result<()> {
    std::os::unix::fs::chown(folder, None, Some(user))?;
    fs::set_permissions(folder, Permissions::from_mode(0o710))
}

/// The user of a folder. Only ids of the range are ever taken for one, whatever group somebody has given a folder to:
/// all that runs as them will be killed.
pub(super) fn of(folder: &Path, users: &Range<u32>) -> io::Result<Option<u32>> {
    match fs::symlink_metadata(folder) {
        Ok(metadata) => Ok(Some(metadata.gid()).filter(|group| metadata.is_dir() && users.contains(group))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_cannot_be_is_refused() {
        #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
        let empty = [0..0, 7..7, 8..7];
        for range in empty.into_iter().chain(std::iter::once(0..7)) {
            assert!(matches!(check(&range, true), Err(OpenError::Users(_))), "{range:?}");
        }
        assert!(check(&(1..2), true).is_ok());
        assert!(matches!(check(&(1..2), false), Err(OpenError::NotRoot)));
    }

    #[test]
    fn a_folder_is_a_users_only_by_an_id_of_the_range() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().metadata().unwrap().gid();
        assert_eq!(of(root.path(), &(group..group + 1)).unwrap(), Some(group));
        assert_eq!(of(root.path(), &(group + 1..group + 2)).unwrap(), None);
        assert_eq!(of(&root.path().join("none"), &(group..group + 1)).unwrap(), None);
    }
}
