//! What a crash tore off: the tail of a write-ahead log behind its last whole commit.
//!
//! SQLite drops it without a word when it opens the file. Nothing of it was ever answered, but who looks for an event that
//! its sender gave up on wants to know. The format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const LARGEST_PAGE: usize = 65_536;

/// The bytes of the log at `path` that belong to no whole commit. No log, or one that SQLite would begin anew, has none.
///
/// # Errors
/// The log cannot be read.
pub(super) fn torn_bytes(path: &Path) -> io::Result<u64> {
    match File::open(path) {
        Ok(file) => torn_in(BufReader::with_capacity(1 << 20, file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn torn_in(mut log: impl Read) -> io::Result<u64> {
    let mut header = [0; HEADER];
    if read_up_to(&mut log, &mut header)? < HEADER {
        return Ok(0);
    }
    let big_endian = match word(&header, 0) {
        0x377f_0682 => false,
        0x377f_0683 => true,
        _ => return Ok(0),
    };
    let mut sum = Checksum { big_endian, words: (0, 0) };
    sum.add(&header[..24]);
    let page = word(&header, 8) as usize;
    if sum.words != (word(&header, 24), word(&header, 28)) || page > LARGEST_PAGE {
        return Ok(0);
    }
    let salt = &header[16..24];
    let mut frame = vec![0; FRAME_HEADER + page];
    let mut torn = 0;
    let mut whole = true;
    loop {
        let read = read_up_to(&mut log, &mut frame)?;
        // Frames of the log's round before this one have another salt: they were committed and copied long ago.
        if read < FRAME_HEADER || frame[8..16] != *salt {
            return Ok(torn);
        }
        torn += read as u64;
        whole &= read == frame.len() && {
            sum.add(&frame[..8]);
            sum.add(&frame[FRAME_HEADER..]);
            sum.words == (word(&frame, 16), word(&frame, 20))
        };
        // The size of the database stands in the last frame of a commit.
        if whole && word(&frame, 4) != 0 {
            torn = 0;
        }
    }
}

/// The checksum of a write-ahead log, over all its whole frames in turn.
struct Checksum {
    big_endian: bool,
    words: (u32, u32),
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let (mut first, mut second) = self.words;
        for pair in bytes.chunks_exact(8) {
            first = first.wrapping_add(self.word(&pair[..4])).wrapping_add(second);
            second = second.wrapping_add(self.word(&pair[4..])).wrapping_add(first);
        }
        self.words = (first, second);
    }

    fn word(&self, bytes: &[u8]) -> u32 {
        if self.big_endian { word(bytes, 0) } else { word(bytes, 0).swap_bytes() }
    }
}

/// The big-endian word at an offset.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// Reads until the buffer is full or the log ends.
fn read_up_to(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match log.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use super::*;

    /// A log of two commits, of two and of one frames, and the length that it had after the first.
    fn log() -> (Vec<u8>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a)").unwrap();
        let wal = path.with_extension("db-wal");
        let first = fs::metadata(&wal).unwrap().len() as usize;
        connection.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        (fs::read(wal).unwrap(), first)
    }

    #[test]
    fn a_log_of_whole_commits_has_no_torn_tail() {
        let (log, first) = log();
        assert!(first < log.len());
        assert_eq!(torn_in(&log[..]).unwrap(), 0);
        assert_eq!(torn_in(&log[..first]).unwrap(), 0);
    }

    #[test]
    fn what_is_cut_off_in_a_commit_is_counted() {
        let (log, first) = log();
        for cut in [first + FRAME_HEADER, first + FRAME_HEADER + 1, log.len() - 1] {
            assert_eq!(torn_in(&log[..cut]).unwrap(), (cut - first) as u64, "cut at {cut}");
        }
    }

    #[test]
    fn a_damaged_frame_takes_all_behind_it_along() {
        let (mut log, first) = log();
        log[first - 1] ^= 1;
        let torn = torn_in(&log[..]).unwrap();
        assert!(torn > (log.len() - first) as u64, "{torn}: the damaged commit and the one behind it");
    }

    #[test]
    fn frames_of_an_earlier_round_are_not_torn() {
        let (mut log, first) = log();
        log[first + 8] ^= 1;
        assert_eq!(torn_in(&log[..]).unwrap(), 0);
    }

    #[test]
    fn what_is_no_log_has_no_tail() {
        let (log, _) = log();
        let mut other = log.clone();
        other[30] ^= 1;
        for bytes in [&[][..], &log[..HEADER - 1], &other[..], &[7; 100][..]] {
            assert_eq!(torn_in(bytes).unwrap(), 0);
        }
        assert_eq!(torn_bytes(Path::new("/nowhere/a.db-wal")).unwrap(), 0);
    }
}
