//! Disks of their own in files: small ones that fill up, and ones whose power can be cut.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io, process};

use crate::model::BuildId;

/// The folders of disks are named by it, the id of their process, and an id of their own.
const PREFIX: &str = "netbuild-disk-";

/// An ext4 file system in a file, mounted over a loop device: a disk as small as a test likes it.
///
/// For Linux, as root, with the programs `mkfs.ext4`, `mount`, `umount` and `fsfreeze`. It is unmounted and removed on
/// drop; what a test left that was killed, the next [`LoopDisk::new`] on the machine removes.
#[derive(Debug)]
pub struct LoopDisk {
    folder: PathBuf,
}

impl LoopDisk {
    /// An empty disk of about `bytes` bytes, at least 2 MiB; ext4 takes up to a tenth of them for itself.
    ///
    /// # Errors
    /// This is no Linux, this process is not root, or a program is missing or failed: its words.
    pub fn new(bytes: u64) -> io::Result<Self> {
        remove_what_the_dead_left()?;
        LoopDisk::within(&env::temp_dir(), bytes)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        mount_point(&self.folder)
    }

    fn within(parent: &Path, bytes: u64) -> io::Result<Self> {
        let disk = LoopDisk::folder_in(parent)?;
        fs::File::create(disk.image())?.set_len(bytes)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.image()))?;
        disk.mounted()
    }

    fn folder_in(parent: &Path) -> io::Result<Self> {
        let folder = parent.join(format!("{PREFIX}{}-{}", process::id(), BuildId::generate()));
        fs::create_dir_all(mount_point(&folder))?;
        Ok(LoopDisk { folder })
    }

    fn mounted(self) -> io::Result<Self> {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.path()))?;
        Ok(self)
    }

    fn image(&self) -> PathBuf {
        self.folder.join("image")
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// A disk whose power can be cut while programs write to it.
///
/// It lies in a file of another disk. A cut holds that outer one still and copies the file: the copy has what the inner
/// file system had written out, and nothing of what it kept in memory, as after a power cut. It shows what was never
/// synced; it does not show torn sectors, nor disks that confirm what they have not kept.
#[derive(Debug)]
pub struct PowerCutDisk {
    // In this order, in which they are unmounted.
    inner: LoopDisk,
    outer: LoopDisk,
}

impl PowerCutDisk {
    /// An empty disk of about `bytes` bytes, at least 2 MiB.
    ///
    /// # Errors
    /// As [`LoopDisk::new`].
    pub fn new(bytes: u64) -> io::Result<Self> {
        // Room for the image and the outer file system's own blocks.
        let outer = LoopDisk::new(bytes + bytes / 4 + (16 << 20))?;
        let inner = LoopDisk::within(&outer.path(), bytes)?;
        Ok(PowerCutDisk { inner, outer })
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.inner.path()
    }

    /// The disk as it would be found if its power failed now, mounted elsewhere. This one goes on after a short stop.
    ///
    /// # Errors
    /// As [`LoopDisk::new`].
    pub fn cut(&self) -> io::Result<LoopDisk> {
        let copy = LoopDisk::folder_in(&env::temp_dir())?;
        // One program of its own, deaf to what ends this one: the outer disk must not stay frozen.
        let freeze = "trap '' HUP INT TERM
            fsfreeze --freeze \"$1\" && cp --sparse=always \"$2\" \"$3\"; copied=$?
            fsfreeze --unfreeze \"$1\" && exit $copied";
        let shell = ["-c", freeze, "power-cut"];
        run(Command::new("sh").args(shell).arg(self.outer.path()).arg(self.inner.image()).arg(copy.image()))?;
        copy.mounted()
    }
}

fn mount_point(folder: &Path) -> PathBuf {
    folder.join("disk")
}

/// Removes the disks of processes that are gone; those of processes that live are theirs.
fn remove_what_the_dead_left() -> io::Result<()> {
    for entry in fs::read_dir(env::temp_dir())? {
        let entry = entry?;
        let is_dead =
            entry.file_name().to_str().and_then(owner).is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if is_dead {
            remove(&entry.path());
        }
    }
    Ok(())
}

/// The process whose disk has a folder of this name.
fn owner(name: &str) -> Option<&str> {
    let (pid, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    pid.parse::<u32>().is_ok().then_some(pid)
}

/// Unmounts what is in a disk's folder, disks within it first, and removes the folder.
fn remove(folder: &Path) {
    let disk = mount_point(folder);
    // Only of a process that was killed; otherwise it is not frozen, and the program says so.
    let _ = run(Command::new("fsfreeze").arg("--unfreeze").arg(&disk));
    for inner in fs::read_dir(&disk).into_iter().flatten().flatten() {
        if inner.file_name().to_str().and_then(owner).is_some() {
            remove(&inner.path());
        }
    }
    // A disk that is in use goes when its last user does.
    if run(Command::new("umount").arg(&disk)).is_err() {
        let _ = run(Command::new("umount").arg("--lazy").arg(&disk));
    }
    // What is still mounted is not removed.
    if fs::remove_dir(&disk).is_ok() {
        let _ = fs::remove_dir_all(folder);
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot run {}: {error}", command.get_program().display()))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let (program, said) = (command.get_program().display(), String::from_utf8_lossy(&output.stderr));
    Err(io::Error::other(format!("{program} failed with {}: {}", output.status, said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_disks_have_an_owner() {
        assert_eq!(owner("netbuild-disk-42-x"), Some("42"));
        for other in ["netbuild-disk-", "netbuild-disk-42", "netbuild-disk-self-x", "netbuild-disk-../-x", "disk-42-x"]
        {
            assert_eq!(owner(other), None, "{other}");
        }
    }
}
