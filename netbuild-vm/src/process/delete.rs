//! Deleting what a build left, whatever it left.
//!
//! A command may leave folders of any depth, number, name and mode. So nothing here grows with the depth, neither the
//! stack nor the open files nor a path: each folder that is found in another one is moved up into the top one, under a
//! number, and is emptied there when its number comes. What cannot be deleted is counted and passed by. A deletion that
//! was interrupted, even by a crash, leaves a tree that is a deletion's to begin with again.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, chmod, fstat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use tokio_util::sync::CancellationToken;

/// What could not be deleted, with the folders around it. The name is a command's and shown escaped.
#[derive(Debug, thiserror::Error)]
#[error("{count} files and folders could not be deleted, the first of them {first:?}: {source}")]
struct Left {
    count: u64,
    first: CString,
    source: Errno,
}

/// Deletes a folder with all that is in it, as far as that can be done, and follows no link. What is mounted there stays.
/// It blocks, and ends early with [`io::ErrorKind::Interrupted`] once it is told to stop.
pub(super) fn delete_tree(path: &Path, stop: &CancellationToken) -> io::Result<()> {
    let top = match open(CWD, path) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let mut deletion = Deletion { top: top.as_fd(), moved: 0, left: None, stop };
    deletion.run()?;
    match unlinkat(CWD, path, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(deletion.left.map_or_else(|| error.into(), io::Error::other)),
    }
}

/// Gives the owner every right on a folder: commands leave folders that nobody may enter (module caches are made so that
/// nobody may write). An error when it is a link.
pub(super) fn unlock(parent: impl AsFd, name: impl Arg) -> Result<(), Errno> {
    let folder = openat(parent, name, OFlags::PATH | FOLDER, Mode::empty())?;
    let mode = Mode::from_raw_mode(fstat(&folder)?.st_mode);
    if mode.contains(Mode::RWXU) {
        return Ok(());
    }
    // Of a folder that may not be read there is no other descriptor to be had, and this one is taken by its path only.
    chmod(format!("/proc/self/fd/{}", folder.as_raw_fd()), Mode::RWXU)
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn open(parent: impl AsFd, name: impl Arg + Copy) -> Result<OwnedFd, Errno> {
    unlock(&parent, name)?;
    openat(parent, name, OFlags::RDONLY | FOLDER, Mode::empty())
}

struct Deletion<'a> {
    top: BorrowedFd<'a>,
    /// The folders that have been moved up are those with the numbers below this one.
    moved: u64,
    left: Option<Left>,
    stop: &'a CancellationToken,
}

impl Deletion<'_> {
    fn run(&mut self) -> Result<(), Errno> {
        // A folder that is renamed in the one that is being read may come again: those at the top are renamed afterwards.
        let mut folders = Vec::new();
        self.clear(self.top, |_, name| folders.push(name.to_owned()))?;
        for name in folders {
            self.move_up(self.top, &name);
        }
        let mut next = 0;
        while next < self.moved {
            let name = numbered(next);
            match self.empty(&name) {
                Err(Errno::INTR) => return Err(Errno::INTR),
                other => self.note(&name, other),
            }
            next += 1;
        }
        Ok(())
    }

    /// Deletes a folder of the top one.
    fn empty(&mut self, name: &CStr) -> Result<(), Errno> {
        let folder = open(self.top, name)?;
        self.clear(folder.as_fd(), |deletion, name| deletion.move_up(folder.as_fd(), name))?;
        unlinkat(self.top, name, AtFlags::REMOVEDIR)
    }

    /// Deletes all in a folder that is no folder itself.
    fn clear(&mut self, folder: BorrowedFd<'_>, mut found: impl FnMut(&mut Self, &CStr)) -> Result<(), Errno> {
        for entry in Dir::read_from(folder)? {
            if self.stop.is_cancelled() {
                return Err(Errno::INTR);
            }
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match unlinkat(folder, name, AtFlags::empty()) {
                Err(Errno::ISDIR) => found(self, name),
                other => self.note(name, other),
            }
        }
        Ok(())
    }

    /// Moves a folder into the top one, under the next number that is free.
    fn move_up(&mut self, folder: BorrowedFd<'_>, name: &CStr) {
        // Only a folder that may be written can be moved to another one.
        let mut moved = unlock(folder, name);
        while moved.is_ok() {
            let number = self.moved;
            moved = renameat(folder, name, self.top, &*numbered(number));
            match moved {
                Ok(()) => {
                    self.moved += 1;
                    return;
                }
                // The number is taken: by the command, or by a deletion that was interrupted.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {
                    self.moved += 1;
                    moved = Ok(());
                }
                Err(_) => {}
            }
        }
        self.note(name, moved);
    }

    fn note(&mut self, name: &CStr, done: Result<(), Errno>) {
        match (done, &mut self.left) {
            (Ok(()) | Err(Errno::NOENT), _) => {}
            (Err(_), Some(left)) => left.count += 1,
            (Err(source), left) => *left = Some(Left { count: 1, first: name.to_owned(), source }),
        }
    }
}

fn numbered(number: u64) -> CString {
    CString::new(number.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use rustix::fs::mkdirat;
    use rustix::process::{Resource, getrlimit, setrlimit};
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

    use super::*;

    /// The tree that a child of this test deletes.
    const TREE: &str = "NETBUILD_TEST_TREE";

    /// A chain of folders, of which every so many-th is closed to everybody.
    fn make_deep(tree: &Path, depth: usize, closed: usize) {
        fs::create_dir(tree).unwrap();
        let mut folder = open(CWD, tree).unwrap();
        for level in 1..=depth {
            mkdirat(&folder, "d", Mode::RWXU).unwrap();
            let next = open(&folder, "d").unwrap();
            if level % closed == 0 {
                rustix::fs::fchmod(&folder, Mode::empty()).unwrap();
            }
            folder = next;
        }
        openat(&folder, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
        rustix::fs::fchmod(&folder, Mode::empty()).unwrap();
    }

    fn delete(tree: &Path) -> io::Result<()> {
        delete_tree(tree, &CancellationToken::new())
    }

    /// Does something as an owner who has no rights but an owner's, root or not.
    fn as_mere_owner<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut sets = capabilities(None).unwrap();
                sets.effective = CapabilitySet::empty();
                set_capabilities(None, sets).unwrap();
                work()
            });
            worker.join().unwrap()
        })
    }

    #[test]
    fn depth_and_closed_folders_take_neither_stack_nor_files_nor_a_path() {
        let Some(tree) = std::env::var_os(TREE) else {
            // In memory where that can be, for a busy disk is not quick at this.
            let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
            let tree = folder.path().join("tree");
            make_deep(&tree, 30_000, 1_000);
            let name = "process::delete::tests::depth_and_closed_folders_take_neither_stack_nor_files_nor_a_path";
            let mut child = Command::new(std::env::current_exe().unwrap());
            let output = child.args([name, "--exact", "--nocapture"]).env(TREE, &tree).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            assert!(!tree.exists(), "{output:?}");
            return;
        };
        // The tests' own files, and a few more.
        let open = fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(open + 6), ..limit }).unwrap();
        as_mere_owner(|| delete(Path::new(&tree)).unwrap());
    }

    #[test]
    fn links_are_deleted_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, safe) = (folder.path().join("tree"), folder.path().join("safe"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&safe).unwrap();
        fs::write(safe.join("file"), "").unwrap();
        fs::set_permissions(&safe, Permissions::from_mode(0o500)).unwrap();
        for link in ["link", "a/link", "a/b/link", "0"] {
            symlink(&safe, tree.join(link)).unwrap();
        }
        delete(&tree).unwrap();
        assert!(!tree.exists() && safe.join("file").exists());
        assert_eq!(fs::metadata(&safe).unwrap().permissions().mode() & 0o777, 0o500);
        delete(&tree).unwrap();
        symlink(&safe, &tree).unwrap();
        assert!(delete(&tree).is_err());
        assert!(safe.join("file").exists());
    }

    #[test]
    fn one_that_was_stopped_is_ended_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(delete_tree(&tree, &stop).unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert!(tree.exists());
        delete(&tree).unwrap();
        assert!(!tree.exists());
    }

    mod needs_root {
        use super::*;

        #[test]
        fn what_cannot_be_deleted_is_told_and_passed_by() {
            let folder = tempfile::tempdir().unwrap();
            let tree = folder.path().join("tree");
            for name in ["a/foreign/inner", "b/deep/deeper", "0/taken", "1"] {
                fs::create_dir_all(tree.join(name)).unwrap();
            }
            fs::write(tree.join("a/foreign/file"), "").unwrap();
            fs::write(tree.join("b/deep/file"), "").unwrap();
            // Only root can make it, and only without root's capabilities it cannot be deleted.
            std::os::unix::fs::chown(tree.join("a/foreign"), Some(12345), None).unwrap();
            let error = as_mere_owner(|| delete(&tree)).unwrap_err();
            assert!(error.to_string().contains("\"foreign\""), "{error}");
            let mut left = Vec::new();
            let mut folders = vec![tree.clone()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                    left.push(entry.file_name());
                    folders.extend(entry.file_type().unwrap().is_dir().then(|| entry.path()));
                }
            }
            left.sort();
            let names: Vec<_> = left.iter().filter_map(|name| name.to_str()).filter(|name| name.len() > 1).collect();
            assert_eq!(names, ["file", "foreign", "inner"], "what is foreign, in a folder with a number");
            assert_eq!(left.len(), 4);
            delete(&tree).unwrap();
            assert!(!tree.exists());
        }

        #[test]
        fn what_is_mounted_stays() {
            let folder = tempfile::tempdir().unwrap();
            let tree = folder.path().join("tree");
            let mounted = tree.join("work");
            fs::create_dir_all(&mounted).unwrap();
            let run = |program: &str, args: &[&str]| {
                assert!(Command::new(program).args(args).arg(&mounted).status().unwrap().success());
            };
            run("mount", &["-t", "tmpfs", "none"]);
            fs::write(mounted.join("file"), "").unwrap();
            let error = delete(&tree);
            let stays = mounted.join("file").exists();
            run("umount", &[]);
            assert!(stays && error.is_err(), "{error:?}");
            delete(&tree).unwrap();
            assert!(!tree.exists());
        }
    }
}
