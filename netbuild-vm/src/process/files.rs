//! Reading and writing the small files of an attempt's folder, to which a customer's command may have done anything.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a file was found to be.
#[derive(Debug)]
pub(super) enum FileFact<T> {
    Absent,
    Unreadable(String),
    Read(T),
}

/// The most bytes of a file that is read whole.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads a JSON file. A file of another kind, too long or no JSON, is unreadable; an error is one of the host.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<FileFact<T>> {
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FileFact::Absent),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(FileFact::Unreadable(error.to_string())),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(match serde_json::from_slice(&bytes) {
        Ok(value) => FileFact::Read(value),
        Err(error) => FileFact::Unreadable(error.to_string()),
    })
}

/// Opens a file for reading, without waiting at a pipe and without following a link that was put in its place.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path);
    let not_regular = || io::Error::new(io::ErrorKind::InvalidData, "not a regular file");
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(not_regular()),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => Err(not_regular()),
        Err(error) => Err(error),
    }
}

/// Writes a JSON file whole or not at all, in place of what is there.
pub(super) fn replace_json(folder: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let temporary = folder.join(format!(".{name}"));
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    create_json(&temporary, value)?;
    fs::rename(&temporary, folder.join(name))
}

/// Writes a new JSON file.
pub(super) fn create_json(path: &Path, value: &impl Serialize) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    Ok(file)
}

/// The last bytes of a file as text; empty when there is none.
pub(super) fn read_tail(path: &Path, bytes: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        use std::os::unix::fs::FileExt;
        let file = open_regular(path)?;
        let length = file.metadata()?.len();
        let from = length.saturating_sub(bytes);
        let mut tail = vec![0; usize::try_from(length - from).unwrap_or(0)];
        file.read_exact_at(&mut tail, from)?;
        Ok(tail)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn pipes_links_and_folders_are_unreadable_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fact = |name: &str| read_json::<u32>(&folder.path().join(name)).unwrap();
        fs::write(folder.path().join("number"), "7").unwrap();
        symlink(folder.path().join("number"), folder.path().join("link")).unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
        assert!(made.success());
        assert!(matches!(fact("number"), FileFact::Read(7)));
        assert!(matches!(fact("none"), FileFact::Absent));
        for name in ["link", "folder", "pipe"] {
            assert!(matches!(fact(name), FileFact::Unreadable(_)), "{name}");
        }
    }

    #[test]
    fn a_replaced_file_is_whole_and_no_link_is_written_through() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("victim"), "safe").unwrap();
        symlink(folder.path().join("victim"), folder.path().join(".ended.json")).unwrap();
        symlink(folder.path().join("victim"), folder.path().join("ended.json")).unwrap();
        replace_json(folder.path(), "ended.json", &7).unwrap();
        assert!(matches!(read_json::<u32>(&folder.path().join("ended.json")).unwrap(), FileFact::Read(7)));
        assert_eq!(fs::read_to_string(folder.path().join("victim")).unwrap(), "safe");
    }

    #[test]
    fn a_tail_is_the_end_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("out"), "first\nlast\n").unwrap();
        assert_eq!(read_tail(&folder.path().join("out"), 5), "last");
        assert_eq!(read_tail(&folder.path().join("none"), 5), "");
    }
}
