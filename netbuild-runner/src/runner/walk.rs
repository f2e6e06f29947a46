//! Walking folders of any depth: with as many open files at any depth, without recursion, and with no path that could grow
//! too long or be kept for each of many files.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;
use rustix::path::Arg;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Calls `visit` for all that is below a folder, without following links: with the folder it is in, its name there and
/// what it is. A folder is visited before what is in it. What cannot be read goes to `unreadable`, which decides whether
/// the walk ends. It blocks.
///
/// # Errors
/// The first error of `visit` or `unreadable`, or of the folder itself. [`Errno::STALE`] when a folder was moved while
/// the walk was in it.
pub(super) fn walk(
    folder: &Path,
    mut visit: impl FnMut(BorrowedFd<'_>, &CStr, &Stat) -> Result<(), Errno>,
    unreadable: impl Fn(Errno) -> Result<(), Errno>,
) -> io::Result<()> {
    let mut current = openat(CWD, folder, FOLDER, Mode::empty())?;
    let mut levels = vec![Level::read(&current, &mut visit, &unreadable)?];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.folders.pop() {
            match enter(&current, name) {
                Ok(folder) => {
                    levels.push(Level::read(&folder, &mut visit, &unreadable)?);
                    current = folder;
                }
                Err(error) => unreadable(error)?,
            }
            continue;
        }
        levels.pop();
        if let Some(above) = levels.last() {
            current = openat(&current, c"..", FOLDER, Mode::empty())?;
            if id(&current)? != above.id {
                return Err(Errno::STALE.into());
            }
        }
    }
    Ok(())
}

/// A folder on the way from the top to where the walk is.
struct Level {
    id: (u64, u64),
    /// The folders in it that are still to be walked.
    folders: Vec<CString>,
}

impl Level {
    fn read(
        folder: &OwnedFd,
        visit: &mut impl FnMut(BorrowedFd<'_>, &CStr, &Stat) -> Result<(), Errno>,
        unreadable: &impl Fn(Errno) -> Result<(), Errno>,
    ) -> Result<Self, Errno> {
        let mut folders = Vec::new();
        for entry in Dir::read_from(folder)? {
            let stat = |name: &CStr| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
            match entry.and_then(|entry| Ok((stat(entry.file_name())?, entry))) {
                Ok((_, entry)) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok((stat, entry)) => {
                    visit(folder.as_fd(), entry.file_name(), &stat)?;
                    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                        folders.push(entry.file_name().to_owned());
                    }
                }
                Err(error) => unreadable(error)?,
            }
        }
        Ok(Level { id: id(folder)?, folders })
    }
}

/// Opens a folder from which there is a way back.
fn enter(parent: &OwnedFd, name: impl Arg) -> Result<OwnedFd, Errno> {
    let folder = openat(parent, name, FOLDER, Mode::empty())?;
    openat(&folder, c"..", FOLDER, Mode::empty())?;
    Ok(folder)
}

fn id(folder: &OwnedFd) -> Result<(u64, u64), Errno> {
    fstat(folder).map(|stat| (stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names = Vec::new();
        let visit = |_: BorrowedFd<'_>, name: &CStr, _: &Stat| {
            names.push(name.to_string_lossy().into_owned());
            Ok(())
        };
        walk(folder, visit, Err).unwrap();
        names.sort();
        names
    }

    #[test]
    fn all_is_visited_once_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/b/c", "a/d", "e"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("a/b/file"), "").unwrap();
        symlink("..", folder.path().join("a/up")).unwrap();
        assert_eq!(names(folder.path()), ["a", "b", "c", "d", "e", "file", "up"]);
        assert!(walk(&folder.path().join("a/up"), |_, _, _| Ok(()), Err).is_err());
    }

    #[test]
    fn depth_takes_no_open_files_and_no_path() {
        let top = tempfile::tempdir().unwrap();
        let mut folder = openat(CWD, top.path(), FOLDER, Mode::empty()).unwrap();
        for _ in 0..400 {
            rustix::fs::mkdirat(&folder, "twenty bytes of name", Mode::RWXU).unwrap();
            folder = openat(&folder, "twenty bytes of name", FOLDER, Mode::empty()).unwrap();
        }
        let (mut visited, mut highest) = (0, 0);
        let visit = |folder: BorrowedFd<'_>, _: &CStr, _: &Stat| {
            visited += 1;
            highest = highest.max(folder.as_raw_fd());
            Ok(())
        };
        walk(top.path(), visit, Err).unwrap();
        assert_eq!(visited, 400);
        // Other tests of this process have files open as well.
        assert!(highest < 300, "{highest}");
    }

    #[test]
    fn a_folder_that_moves_away_ends_the_walk() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("a/b/c")).unwrap();
        fs::create_dir(top.path().join("elsewhere")).unwrap();
        let visit = |_: BorrowedFd<'_>, name: &CStr, _: &Stat| {
            if name == c"c" {
                fs::rename(top.path().join("a/b"), top.path().join("elsewhere/b")).unwrap();
            }
            Ok(())
        };
        let error = walk(top.path(), visit, Err).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::STALE));
    }
}
