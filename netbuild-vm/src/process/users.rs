//! The users that commands run as: one for each attempt, held by its folder.
//!
//! The folder belongs to the group of the same number, and only that group may enter it. So the mode of a folder is at
//! once what keeps all others out, and the record of who has which user: it holds over restarts, for all executors on the
//! root, and until the last file of the attempt is deleted.
//!
//! Users are handed out in turn. So what an attempt leaves elsewhere on the host, under its user, becomes another
//! attempt's only once all the others of the range had their turn or are still taken.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::error::OpenError;
use super::proc_table::Traces;
use super::signals::sweep;

/// Locked while a user is chosen, until the folder holds it. It says which one was chosen last.
const LAST: &str = ".users";

/// A user that is this attempt's once its folder is made. Until then no other executor chooses one.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) user: u32,
    before: Option<u32>,
    last: File,
}

impl Reserved {
    /// Takes the choice back, as no folder was made: the user's turn has not come.
    pub(super) fn give_back(self) -> io::Result<()> {
        write_last(&self.last, self.before)
    }
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
    if users.is_empty() || users.start == 0 || users.end > (1 << 31) - 1 {
        return Err(OpenError::Users(users.clone()));
    }
    if is_root { Ok(()) } else { Err(OpenError::NotRoot) }
}

/// Chooses the next user of the range that no attempt in the root folder has and of which nothing runs. The choice is
/// written down for good before it is known to anybody.
pub(super) fn reserve(root: &Path, users: &Range<u32>) -> io::Result<Reservation> {
    let mut open = OpenOptions::new();
    let last = open.create(true).truncate(false).read(true).write(true).mode(0o600).open(root.join(LAST))?;
    match last.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Reservation::Busy),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let before = read_last(&last)?;
    let taken = taken(root, users)?;
    let mut some_left = false;
    for user in in_turn(users, before).filter(|user| !taken.contains(user)) {
        some_left = true;
        // An attempt that was killed with its runner may have left processes that nobody looked for since.
        if sweep(&Traces { user: Some(user), ..Traces::default() })? {
            write_last(&last, Some(user))?;
            return Ok(Reservation::Reserved(Reserved { user, before, last }));
        }
    }
    Ok(if some_left { Reservation::Busy } else { Reservation::NoneLeft })
}

/// The users in the order of their turns: from the one behind the last chosen on, around the end of the range.
fn in_turn(users: &Range<u32>, last: Option<u32>) -> impl Iterator<Item = u32> {
    let next = last.filter(|last| users.contains(last)).map_or(users.start, |last| last + 1);
    (next..users.end).chain(users.start..next)
}

/// The user that was chosen last; none is known in a new root folder, and none when the file is damaged.
fn read_last(mut file: &File) -> io::Result<Option<u32>> {
    let mut text = [0; LAST_BYTES];
    match file.read_exact(&mut text) {
        Ok(()) => Ok(std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Always as many bytes: they are written over those before, so that no moment has a part of them.
fn write_last(file: &File, user: Option<u32>) -> io::Result<()> {
    let text = format!("{:>1$}\n", user.map_or_else(String::new, |user| user.to_string()), LAST_BYTES - 1);
    file.write_all_at(text.as_bytes(), 0)?;
    file.sync_data()
}

/// The longest id, and a line end.
const LAST_BYTES: usize = 11;

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
        for range in empty.into_iter().chain([0..7, 7..1 << 31]) {
            assert!(matches!(check(&range, true), Err(OpenError::Users(_))), "{range:?}");
        }
        assert!(check(&(1..2), true).is_ok());
        assert!(matches!(check(&(1..2), false), Err(OpenError::NotRoot)));
    }

    #[test]
    fn users_take_turns() {
        let turns = |users, last| in_turn(&users, last).collect::<Vec<_>>();
        assert_eq!(turns(5..8, None), [5, 6, 7]);
        assert_eq!(turns(5..8, Some(5)), [6, 7, 5]);
        assert_eq!(turns(5..8, Some(6)), [7, 5, 6]);
        assert_eq!(turns(5..8, Some(7)), [5, 6, 7]);
        assert_eq!(turns(5..8, Some(8)), [5, 6, 7], "of another range");
        assert_eq!(turns(5..6, Some(5)), [5]);
        let end = (1 << 31) - 2..(1 << 31) - 1;
        assert_eq!(turns(end.clone(), Some(end.start)), [end.start]);
    }

    #[test]
    fn the_last_turn_is_remembered_or_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LAST);
        let open = || OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).unwrap();
        assert_eq!(read_last(&open()).unwrap(), None);
        for last in [Some(7), Some(u32::MAX), None, Some(1_900_000_000)] {
            write_last(&open(), last).unwrap();
            assert_eq!(read_last(&open()).unwrap(), last);
        }
        for damaged in ["", "19", "no number\n\n"] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(read_last(&open()).unwrap(), None, "{damaged}");
        }
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
