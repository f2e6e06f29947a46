//! The digests of the lock files, which decide the key.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use netbuild_core::model::{Digest, PublishPath};

use super::interrupt::Interruptible;
use super::place;
use crate::runner::hashing::Hashing;

/// The digest of each file of the source in `work`; `None` for one that is missing or no plain file. A link counts as
/// missing: it may lead anywhere.
pub(super) fn digests(work: &Path, files: &[PublishPath], interrupt: &AtomicBool) -> io::Result<Vec<Option<Digest>>> {
    files.iter().map(|file| digest(work, file, interrupt)).collect()
}

fn digest(work: &Path, path: &PublishPath, interrupt: &AtomicBool) -> io::Result<Option<Digest>> {
    let Some(file) = open(work, path)? else { return Ok(None) };
    let mut hashing = Hashing::new(io::sink());
    io::copy(&mut Interruptible { inner: file, interrupt }, &mut hashing)?;
    Ok(Some(hashing.finish().1))
}

fn open(work: &Path, path: &PublishPath) -> io::Result<Option<File>> {
    let mut folder = place::open(work)?;
    let mut names = path.as_str().split('/').map(str::as_bytes).peekable();
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            return place::open_file(&folder, name);
        }
        folder = match place::open_in(&folder, name) {
            Ok(next) => next,
            Err(error) if place::is_none(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn plain_files_count_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        fs::create_dir_all(work.join("a/b")).unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        fs::write(work.join("a/b/lock"), "1").unwrap();
        symlink("../secret", work.join("link")).unwrap();
        symlink("a", work.join("way")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, work.join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        let paths = ["a/b/lock", "a/b", "none", "none/lock", "a/b/lock/x", "link", "way/b/lock", "pipe"];
        let paths = paths.map(|path| PublishPath::parse(path).unwrap());
        let digests = digests(&work, &paths, &AtomicBool::new(false)).unwrap();
        assert_eq!(digests[0], Some(Digest::of("1")));
        assert_eq!(digests[1..], [None; 7]);
    }
}
