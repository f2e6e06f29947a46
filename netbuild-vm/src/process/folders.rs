//! The folders of all attempts, and the lock of each.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use netbuild_core::model::{AttemptFolder, AttemptMark};
use rustix::fs::{CWD, OFlags};
use tokio_util::sync::CancellationToken;

use super::delete::{delete_tree, unlock};
use super::files::create_json;
use super::users;

/// The boot in which a folder was made: the executor's own file, next to those of [`AttemptFolder`].
pub(super) const BOOT: &str = "boot.json";

const NEW: &str = ".new-";
const TRASH: &str = ".trash-";

/// The root folder. Attempts have a folder each, named as their build; what is being made or deleted begins with a dot.
#[derive(Debug)]
pub(super) struct Folders {
    root: PathBuf,
    /// Tells this root from all others on the host.
    tag: String,
    made: AtomicU64,
}

/// A folder that nobody else changes while this is held: the lock is a `flock` of the folder itself. It covers the start
/// of a runner, the judgement that nothing runs any more, and the removal.
///
/// A child has a copy of the lock's descriptor until it executes its program. So whoever gets the lock knows that no
/// child is half started: every process of the attempt has its cookie and can be found.
#[derive(Debug)]
pub(super) struct LockedFolder {
    pub(super) path: PathBuf,
    lock: File,
}

/// The answer to a try for the lock.
#[derive(Debug)]
pub(super) enum Lock {
    /// There is no folder of this name.
    Absent,
    /// Somebody else is at it.
    Busy,
    Locked(LockedFolder),
}

impl Folders {
    /// Makes the root if it is missing, and deletes folders that executors left behind half made.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        // The runner is told its folder and need not stay in the working directory of the host application.
        let metadata = fs::metadata(root)?;
        let tag = format!("{:x}-{:x}", metadata.dev(), metadata.ino());
        let folders = Folders { root: fs::canonicalize(root)?, tag, made: AtomicU64::new(0) };
        for name in folders.beginning_with(NEW)? {
            // What cannot be deleted now is tried again when the root is opened next.
            match folders.delete(&name, &CancellationToken::new()) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    tracing::warn!(name, %error, "a folder that was left half made cannot be deleted");
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(folders)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// What the processes of an attempt have in their environment. The root is part of it: an executor that works on a copy
    /// of another one's state, with the same names, must not end the other one's processes.
    pub(super) fn cookie(&self, folder: &Path, mark: &AttemptMark) -> String {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        format!("{name}.{}.{}", mark.attempt.number, self.tag)
    }

    /// The names of all that may be folders of attempts.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if let (Ok(name), true) = (entry.file_name().into_string(), entry.file_type()?.is_dir())
                && !name.starts_with('.')
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Tries to lock a folder. Should its own command have closed it to everybody, it is opened again.
    pub(super) fn lock(&self, name: &str) -> io::Result<Lock> {
        let path = self.path(name);
        let dir = match unlock(CWD, &path).map_err(io::Error::from).and_then(|()| open_folder(&path)) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::Absent),
            Err(error) => return Err(error),
        };
        match dir.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Lock::Busy),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Until the lock was held, the folder may have been removed, and another made in its place.
        let (locked, there) = (dir.metadata()?, fs::symlink_metadata(&path));
        match there {
            Ok(there) if (there.dev(), there.ino()) == (locked.dev(), locked.ino()) => {
                Ok(Lock::Locked(LockedFolder { path, lock: dir }))
            }
            Ok(_) => Ok(Lock::Busy),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Lock::Absent),
            Err(error) => Err(error),
        }
    }

    /// Makes a folder with its mark inside, locked, or nothing at all; `None` when the name was taken meanwhile.
    ///
    /// It is made under another name and then renamed, for a rename onto a folder that is not empty fails: the name is
    /// the lock, and there is no moment at which the name is taken by a folder without a mark. All is synced, so that
    /// also after a power cut a started attempt is known to have been started.
    /// With a user, it is that user's from the beginning.
    pub(super) fn create(
        &self,
        name: &str,
        mark: &AttemptMark,
        boot_id: &str,
        user: Option<u32>,
    ) -> io::Result<Option<LockedFolder>> {
        let temporary = self.make_temporary(name)?;
        let given = user.map_or(Ok(()), |user| users::give(&temporary, user));
        let created = given.and_then(|()| self.fill(&temporary, name, mark, boot_id));
        if !matches!(created, Ok(Some(_))) {
            delete_tree(&temporary, &CancellationToken::new())?;
        }
        created
    }

    fn fill(
        &self,
        temporary: &Path,
        name: &str,
        mark: &AttemptMark,
        boot_id: &str,
    ) -> io::Result<Option<LockedFolder>> {
        let dir = open_folder(temporary)?;
        dir.try_lock().map_err(io::Error::from)?;
        create_json(&temporary.join(AttemptFolder::ATTEMPT), mark)?.sync_all()?;
        create_json(&temporary.join(BOOT), &boot_id)?.sync_all()?;
        dir.sync_all()?;
        let folder = LockedFolder { path: self.path(name), lock: dir };
        match fs::rename(temporary, &folder.path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
                return Ok(None);
            }
            other => other?,
        }
        match File::open(&self.root).and_then(|root| root.sync_all()) {
            Ok(()) => Ok(Some(folder)),
            Err(error) => {
                self.discard(folder)?;
                Err(error)
            }
        }
    }

    /// Frees a folder's name. What was in it is among the [`trash`](Self::trash) from then on.
    pub(super) fn discard(&self, folder: LockedFolder) -> io::Result<()> {
        let name = folder.path.file_name().unwrap_or_default().to_string_lossy();
        // Nobody else has a folder with this inode.
        let trash = self.root.join(format!("{TRASH}{name}-{}", folder.lock.metadata()?.ino()));
        fs::rename(&folder.path, trash)
    }

    /// The names of what was discarded.
    pub(super) fn trash(&self) -> io::Result<Vec<String>> {
        self.beginning_with(TRASH)
    }

    fn beginning_with(&self, prefix: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| name.starts_with(prefix)));
        }
        Ok(names)
    }

    /// Deletes a folder; [`io::ErrorKind::WouldBlock`] while somebody else is at it. See [`delete_tree`].
    pub(super) fn delete(&self, name: &str, stop: &CancellationToken) -> io::Result<()> {
        match self.lock(name)? {
            Lock::Locked(folder) => delete_tree(&folder.path, stop),
            Lock::Busy => Err(io::ErrorKind::WouldBlock.into()),
            Lock::Absent => Ok(()),
        }
    }

    /// A new folder of a name that no other executor has, in this process or another.
    fn make_temporary(&self, name: &str) -> io::Result<PathBuf> {
        loop {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            let path = self.root.join(format!("{NEW}{name}-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => return other.map(|()| path),
            }
        }
    }
}

fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use netbuild_core::model::{AccountId, AttemptNumber, BuildId, BuildKey, ProjectId, Timestamp};

    use super::*;

    fn mark() -> AttemptMark {
        let build = BuildKey {
            account: AccountId::new("acme").unwrap(),
            project: ProjectId::new("site").unwrap(),
            build: BuildId::new(Timestamp::EPOCH, [1; 10]),
        };
        AttemptMark { attempt: build.attempt(AttemptNumber::FIRST), created_at: Timestamp::EPOCH, start_by: None }
    }

    #[test]
    fn a_name_is_taken_once_and_leaves_nothing_half_made() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::open(root.path()).unwrap();
        let first = folders.create("nb-1", &mark(), "boot", None).unwrap().unwrap();
        assert!(folders.create("nb-1", &mark(), "boot", None).unwrap().is_none());
        assert!(matches!(folders.lock("nb-1").unwrap(), Lock::Busy), "it is made locked");
        drop(first);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "the loser left nothing");
        let Lock::Locked(folder) = folders.lock("nb-1").unwrap() else { panic!("free") };
        folders.discard(folder).unwrap();
        assert!(matches!(folders.lock("nb-1").unwrap(), Lock::Absent));
        assert!(folders.create("nb-1", &mark(), "boot", None).unwrap().is_some());
    }

    #[test]
    fn an_empty_folder_is_nobodys() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::open(root.path()).unwrap();
        fs::create_dir(root.path().join("nb-1")).unwrap();
        assert!(folders.create("nb-1", &mark(), "boot", None).unwrap().is_some());
    }

    #[test]
    fn a_folder_that_its_command_closed_is_opened_again() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::open(root.path()).unwrap();
        drop(folders.create("nb-1", &mark(), "boot", None).unwrap().unwrap());
        fs::set_permissions(folders.path("nb-1"), fs::Permissions::from_mode(0o000)).unwrap();
        assert!(matches!(folders.lock("nb-1").unwrap(), Lock::Locked(_)));
        assert_eq!(fs::metadata(folders.path("nb-1")).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_was_left_is_deleted_unless_somebody_is_at_it() {
        let root = tempfile::tempdir().unwrap();
        for name in [".new-a", ".new-b", ".trash-a/work", "nb-1", ".other"] {
            fs::create_dir_all(root.path().join(name)).unwrap();
        }
        let held = open_folder(&root.path().join(".new-b")).unwrap();
        held.try_lock().unwrap();
        let folders = Folders::open(root.path()).unwrap();
        assert_eq!(folders.trash().unwrap(), [".trash-a"]);
        folders.delete(".trash-a", &CancellationToken::new()).unwrap();
        let mut left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".new-b", ".other", "nb-1"]);
        assert_eq!(folders.names().unwrap(), ["nb-1"]);
    }
}
