//! A full disk: whose fault it is.

use std::ffi::CStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use netbuild_core::model::{Cause, Failure};
use rustix::fs::{FileType, Stat};

use super::stop::Halt;
use super::walk::walk;

/// A disk with less room than this is full: a program that writes fills it to its last blocks, and what is left may be the
/// file system's own.
const FULL_BYTES: u64 = 64 << 10;

/// The failure of an operation on the attempt's folder. Whoever filled the disk: see [`judged`].
pub(super) fn failure(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::Unsupported {
        return Failure::new(Cause::RunnerBroken, error.to_string());
    }
    let cause = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Cause::HostDisk,
        _ => Cause::RunnerBroken,
    };
    Failure::new(cause, format!("the attempt's folder could not be written: {error}"))
}

/// What a failure means when the disk of the attempt's folder is full: a command that fails then is not at fault by its exit
/// code. It is at fault when the attempt itself filled the disk.
///
/// A command that removed its files before it ended has left no sign, and is judged by its exit code. It blocks.
pub(super) fn judged(halt: Halt, folder: &Path) -> Halt {
    match halt {
        Halt::Failed(failure) if may_be_the_disks(&failure.cause) => match Disk::of(folder) {
            Ok(disk) => Halt::Failed(disk.judge(failure)),
            Err(_) => Halt::Failed(failure),
        },
        Halt::Failed(_) | Halt::Stopped(_) => halt,
    }
}

fn may_be_the_disks(cause: &Cause) -> bool {
    matches!(cause, Cause::CommandFailed { .. } | Cause::CommandKilled { .. } | Cause::HostDisk)
}

/// How full a disk is, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Disk {
    /// The bytes that can still be written.
    left: u64,
    /// Whether a file more can be made.
    takes_files: bool,
    /// The bytes in use.
    used: u64,
    /// Those of the attempt.
    own: u64,
}

impl Disk {
    fn of(folder: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(folder)?;
        let takes_files = stat.f_files == 0 || stat.f_favail > 0;
        let (left, used) = (stat.f_bavail * stat.f_frsize, (stat.f_blocks - stat.f_bfree) * stat.f_frsize);
        let full = left < FULL_BYTES || !takes_files;
        Ok(Disk { left, takes_files, used, own: if full { bytes_below(folder) } else { 0 } })
    }

    /// The attempt is at fault when it has more than half of all that the disk holds: elsewhere it would fill the disk, too.
    fn judge(self, failure: Failure) -> Failure {
        let Disk { left, takes_files, used, own } = self;
        if left >= FULL_BYTES && takes_files {
            return failure;
        }
        let (cause, who) = match own > used / 2 {
            true => (Cause::OutOfDisk, "the build has filled it"),
            false => (Cause::HostDisk, "others have filled it"),
        };
        let room = if takes_files { format!("{left} bytes are left") } else { "it takes no more files".to_owned() };
        let disk = format!("the disk of the machine that builds is full: {room}, the build has {own} of {used} bytes");
        Failure::new(cause, format!("{disk}, so {who}; before that: {}", failure.evidence))
    }
}

/// The bytes on disk of everything below a folder. What cannot be read counts nothing.
fn bytes_below(folder: &Path) -> u64 {
    let mut bytes = 0_u64;
    let count = |_: BorrowedFd<'_>, _: &CStr, stat: &Stat| {
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            bytes = bytes.saturating_add(u64::try_from(stat.st_blocks).unwrap_or_default().saturating_mul(512));
        }
        Ok(())
    };
    let _as_far_as_it_goes = walk(folder, count, |_unreadable| Ok(()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_filled_the_disk_is_at_fault() {
        let judge = |disk: Disk| disk.judge(Failure::new(Cause::CommandFailed { code: 1 }, "exit 1"));
        let full = Disk { left: 4096, takes_files: true, used: 1000, own: 0 };
        let cases = [
            (Disk { own: 501, ..full }, Cause::OutOfDisk),
            (Disk { own: 500, ..full }, Cause::HostDisk),
            (Disk { left: FULL_BYTES, takes_files: false, ..full }, Cause::HostDisk),
            (Disk { left: FULL_BYTES, own: 1000, ..full }, Cause::CommandFailed { code: 1 }),
        ];
        for (disk, cause) in cases {
            let failure = judge(disk);
            assert_eq!(failure.cause, cause, "{disk:?}");
            assert!(failure.evidence.ends_with("exit 1"), "{failure}");
        }
    }

    #[test]
    fn bytes_count_however_deep_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let content = vec![1; 1 << 20];
        std::fs::write(folder.path().join("file"), &content).unwrap();
        assert!((1 << 20..2 << 20).contains(&bytes_below(folder.path())));
        // A path of more than 4096 bytes, which nobody can open, made from its inner end to the outer.
        let mut inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("file"), &content).unwrap();
        for level in 0..20 {
            let outer = folder.path().join(format!("{level:0>250}"));
            std::fs::create_dir(&outer).unwrap();
            std::fs::rename(&inner, outer.join(inner.file_name().unwrap())).unwrap();
            inner = outer;
        }
        assert!(bytes_below(folder.path()) >= 2 << 20);
    }

    #[test]
    fn other_failures_stay_what_they_are() {
        let missing = Halt::Failed(Failure::new(Cause::PublishInvalid, ""));
        assert_eq!(judged(missing.clone(), Path::new("/nonexistent")), missing);
        let failed = Halt::Failed(Failure::new(Cause::CommandFailed { code: 1 }, ""));
        assert_eq!(judged(failed.clone(), Path::new("/nonexistent")), failed, "it cannot be told");
    }
}
