//! Folders opened one name at a time, so that no link is ever followed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use netbuild_core::model::CachePath;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a folder of the runner's own.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, FOLDER, Mode::empty())?)
}

/// Opens the folder `name` in another; an error when it is a link.
pub(super) fn open_in(folder: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, name, FOLDER, Mode::empty())?)
}

/// Makes and opens the folder `name` in another. There must be nothing of that name.
pub(super) fn make_in(folder: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o755))?;
    open_in(folder, name)
}

/// Opens the plain file `name` in a folder; `None` when it is missing or anything else. Opening waits for nothing, also
/// not for the other end of a pipe.
pub(super) fn open_file(folder: impl AsFd, name: &[u8]) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(file) if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::RegularFile => {
            Ok(Some(File::from(file)))
        }
        Ok(_) | Err(Errno::NXIO) => Ok(None),
        Err(error) if is_none(&error.into()) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Moves the folder `name` of `from` to `path` below `place`, where the folders on the way are made if they are missing.
/// False when something is there already, or on the way something that is no folder.
pub(super) fn put(from: impl AsFd, name: &[u8], place: OwnedFd, path: &CachePath) -> io::Result<bool> {
    let (parents, last) = path.path().as_str().rsplit_once('/').unwrap_or(("", path.path().as_str()));
    let mut folder = place;
    for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
        folder = match open_in(&folder, parent.as_bytes()) {
            Ok(next) => next,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_in(&folder, parent.as_bytes())?,
            Err(error) if is_none(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
    }
    match rustix::fs::statat(&folder, last, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(false),
        Err(Errno::NOENT) => Ok(rustix::fs::renameat(from, name, &folder, last).map(|()| true)?),
        Err(error) => Err(error.into()),
    }
}

/// Opens the folder at `path` below `place`; `None` when there is nothing.
pub(super) fn find(place: OwnedFd, path: &CachePath) -> io::Result<Option<OwnedFd>> {
    let mut folder = place;
    for name in path.path().as_str().split('/') {
        folder = match open_in(&folder, name.as_bytes()) {
            Ok(next) => next,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
    }
    Ok(Some(folder))
}

/// Whether something could not be opened because it is missing or of another kind, for example a link.
pub(super) fn is_none(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::runner::cache::samples::Sample;

    fn put_into_work(sample: &Sample, path: &str) -> bool {
        fs::create_dir(sample.path("into/000")).unwrap();
        fs::write(sample.path("into/000/x"), "cached").unwrap();
        let (into, work) = (open(&sample.path("into")).unwrap(), open(&sample.path("work")).unwrap());
        put(into, b"000", work, &CachePath::parse(path).unwrap()).unwrap()
    }

    #[test]
    fn a_folder_takes_a_free_place() {
        let sample = Sample::new();
        fs::create_dir(sample.path("work/a")).unwrap();
        assert!(put_into_work(&sample, "a/b/c"));
        assert_eq!(fs::read_to_string(sample.path("work/a/b/c/x")).unwrap(), "cached");
        assert!(!sample.path("into/000").exists());
    }

    #[test]
    fn what_the_source_has_stays_and_its_links_are_not_followed() {
        type Make = fn(&Sample);
        let table: [(&str, Make); 6] = [
            ("a folder", |sample| fs::create_dir_all(sample.path("work/a/b")).unwrap()),
            ("a file", |sample| sample.write("work/a/b", "")),
            ("a link", |sample| {
                fs::create_dir(sample.path("work/a")).unwrap();
                symlink("../../outside", sample.path("work/a/b")).unwrap();
            }),
            ("a link to nothing", |sample| {
                fs::create_dir(sample.path("work/a")).unwrap();
                symlink("../../outside/new", sample.path("work/a/b")).unwrap();
            }),
            ("a link on the way", |sample| symlink("../outside", sample.path("work/a")).unwrap()),
            ("a file on the way", |sample| sample.write("work/a", "")),
        ];
        for (what, make) in table {
            let sample = Sample::new();
            make(&sample);
            assert!(!put_into_work(&sample, "a/b"), "{what}");
            assert_eq!(fs::read_dir(sample.path("outside")).unwrap().count(), 0, "{what}");
            assert!(!sample.path("work/a/b/x").exists(), "{what}");
        }
    }
}
