//! Reading a log file that may still grow.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::port::LogChunk;

/// The most bytes in one answer of [`read_log`], whatever is asked for.
pub const MAX_READ_BYTES: usize = 1 << 20;

/// Reads a log file from an offset on: at most `max` bytes and at most [`MAX_READ_BYTES`].
///
/// `over` says that nobody writes the log any more; the chunk then says `end` when it reaches the end of the file. Find
/// out `over` before this call, not after it: what is written in between would be cut off for ever. A file that is not
/// there is an empty log. Behind the end of the file the chunk is empty.
///
/// This blocks: in async code call it through `spawn_blocking`.
///
/// # Errors
/// Those of the file system, and [`io::ErrorKind::InvalidInput`] when the path is not a plain file: the folder belongs
/// to code that may have put a link or a pipe there.
pub fn read_log(path: &Path, from: u64, max: usize, over: bool) -> io::Result<LogChunk> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "the log is not a plain file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(LogChunk { offset: from, bytes: Vec::new().into(), end: over });
        }
        Err(error) => return Err(error),
    }
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let wanted = length.saturating_sub(from).min(max.min(MAX_READ_BYTES) as u64);
    let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or(MAX_READ_BYTES));
    if wanted > 0 {
        file.seek(SeekFrom::Start(from))?;
        file.take(wanted).read_to_end(&mut bytes)?;
    }
    let end = over && from.saturating_add(bytes.len() as u64) >= length;
    Ok(LogChunk { offset: from, bytes: bytes.into(), end })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn chunk(offset: u64, bytes: &'static str, end: bool) -> LogChunk {
        LogChunk { offset, bytes: bytes.into(), end }
    }

    #[test]
    fn a_growing_log_is_read_piece_by_piece() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert_eq!(read_log(&path, 0, 10, false).unwrap(), chunk(0, "", false), "not there yet");
        assert_eq!(read_log(&path, 0, 10, true).unwrap(), chunk(0, "", true), "never was there");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"hello").unwrap();
        assert_eq!(read_log(&path, 0, 3, false).unwrap(), chunk(0, "hel", false));
        assert_eq!(read_log(&path, 3, 10, false).unwrap(), chunk(3, "lo", false));
        assert_eq!(read_log(&path, 5, 10, false).unwrap(), chunk(5, "", false));
        file.write_all(b" world").unwrap();
        assert_eq!(read_log(&path, 5, 3, true).unwrap(), chunk(5, " wo", false), "more is there");
        assert_eq!(read_log(&path, 8, 3, true).unwrap(), chunk(8, "rld", true));
        assert_eq!(read_log(&path, 99, 3, true).unwrap(), chunk(99, "", true));
        assert_eq!(read_log(&path, 0, 0, true).unwrap(), chunk(0, "", false));
    }

    #[test]
    fn one_answer_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, vec![b'x'; MAX_READ_BYTES + 1]).unwrap();
        let chunk = read_log(&path, 0, usize::MAX, true).unwrap();
        assert_eq!((chunk.bytes.len(), chunk.end), (MAX_READ_BYTES, false));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("log"), folder.path().join("other"));
        fs::write(&other, "of somebody else").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert_eq!(read_log(&path, 0, 10, true).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
