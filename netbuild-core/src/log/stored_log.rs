//! One log in a folder, with the runner's offsets kept through gaps and crashes.
//!
//! The log file is only ever appended to. As long as nothing is missing, the runner's offset is the length of the file, so
//! an append that a crash tore apart needs no repair: the bytes that arrived are there and counted, the others are asked
//! for again. A mark shifts the two against each other; what it shifts is in a note beside the log, which is replaced as
//! a whole before the mark is written. A mark that a crash tore is completed from the note.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Mark;

/// The last mark of a log, and how the runner's offsets go on after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// Where the mark begins in the file.
    start: u64,
    /// The mark, as it is written.
    text: String,
    /// How many of the runner's bytes it stands for, when it is a gap.
    missing: u64,
    /// The runner's offset behind it.
    offset: u64,
    /// Nothing is stored any more: the log reached its bound.
    truncated: bool,
}

impl Note {
    /// Where the mark ends in the file.
    fn end(&self) -> u64 {
        self.start + self.text.len() as u64
    }
}

/// A log that is open for one append.
pub(super) struct StoredLog {
    file: File,
    note_path: PathBuf,
    length: u64,
    note: Option<Note>,
}

/// The runner's offset that comes next in a log.
pub(super) fn next_offset(path: &Path) -> io::Result<u64> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    Ok(offset_at(length, read_note(&note_path(path))?.as_ref()))
}

impl StoredLog {
    /// Opens or makes a log. Until it is dropped no other process can.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(io::ErrorKind::WouldBlock, "another process writes this log"),
            TryLockError::Error(error) => error,
        })?;
        let length = file.metadata()?.len();
        let note_path = note_path(path);
        let note = read_note(&note_path)?;
        let mut log = StoredLog { file, note_path, length, note };
        log.repair()?;
        Ok(log)
    }

    /// Appends bytes whose first has the runner's offset `from`, as far as they are new and `max_bytes` allows, and gives
    /// the offset that comes next.
    pub(super) fn append(&mut self, from: u64, bytes: &[u8], max_bytes: u64) -> io::Result<u64> {
        let next = offset_at(self.length, self.note.as_ref());
        let known = usize::try_from(next.saturating_sub(from)).unwrap_or(usize::MAX);
        let fresh = bytes.get(known..).unwrap_or_default();
        if fresh.is_empty() {
            return Ok(next);
        }
        let end = from.saturating_add(bytes.len() as u64);
        if self.note.as_ref().is_some_and(|note| note.truncated) {
            return self.drop_to(end);
        }
        if from > next {
            let mark = Mark::Gap { bytes: from - next };
            self.mark(mark, from - next, from)?;
        }
        let room = usize::try_from(max_bytes.saturating_sub(self.length)).unwrap_or(usize::MAX);
        self.write(&fresh[..fresh.len().min(room)])?;
        if fresh.len() > room {
            self.mark(Mark::Truncated { bytes: self.length }, 0, end)?;
        }
        Ok(offset_at(self.length, self.note.as_ref()))
    }

    /// Brings file and note together after a crash.
    fn repair(&mut self) -> io::Result<()> {
        let Some(note) = self.note.clone() else { return Ok(()) };
        if self.length < note.start {
            // A power cut took bytes that were there before the mark. They are lost, and the log says so.
            let lost = note.start - self.length;
            let missing = note.missing.saturating_add(lost);
            let mark =
                if note.truncated { Mark::Truncated { bytes: self.length } } else { Mark::Gap { bytes: missing } };
            let text = mark.to_line(self.at_line_start()?);
            self.set_note(Note { start: self.length, text, missing, ..note })?;
        }
        self.complete_mark()
    }

    fn mark(&mut self, mark: Mark, missing: u64, offset: u64) -> io::Result<()> {
        let truncated = matches!(mark, Mark::Truncated { .. });
        let text = mark.to_line(self.at_line_start()?);
        self.set_note(Note { start: self.length, text, missing, offset, truncated })?;
        self.complete_mark()
    }

    /// Writes what the file lacks of the last mark.
    fn complete_mark(&mut self) -> io::Result<()> {
        let Some(note) = &self.note else { return Ok(()) };
        let there = usize::try_from(self.length - note.start).unwrap_or(usize::MAX);
        let rest = note.text.as_bytes().get(there..).unwrap_or_default().to_vec();
        self.write(&rest)
    }

    /// Counts bytes of a truncated log as known, without storing them.
    fn drop_to(&mut self, offset: u64) -> io::Result<u64> {
        if let Some(note) = self.note.clone() {
            self.set_note(Note { offset, ..note })?;
        }
        Ok(offset)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn at_line_start(&mut self) -> io::Result<bool> {
        let Some(last) = self.length.checked_sub(1) else { return Ok(true) };
        let mut byte = [0];
        self.file.seek(SeekFrom::Start(last))?;
        self.file.read_exact(&mut byte)?;
        Ok(byte == *b"\n")
    }

    /// Replaces the note as a whole.
    fn set_note(&mut self, note: Note) -> io::Result<()> {
        let fresh = self.note_path.with_extension("note.new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(&note)?)?;
        file.sync_data()?;
        fs::rename(&fresh, &self.note_path)?;
        self.note = Some(note);
        Ok(())
    }
}

/// The runner's offset that belongs to the end of a log of `length` bytes.
fn offset_at(length: u64, note: Option<&Note>) -> u64 {
    match note {
        None => length,
        Some(note) => note.offset.saturating_add(length.saturating_sub(note.end())),
    }
}

fn note_path(log: &Path) -> PathBuf {
    log.with_extension("note")
}

fn read_note(path: &Path) -> io::Result<Option<Note>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: u64 = 1_000;

    fn append(path: &Path, from: u64, bytes: &str) -> u64 {
        StoredLog::open(path).unwrap().append(from, bytes.as_bytes(), MAX).unwrap()
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_torn_mark_is_completed_wherever_it_tore() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        append(&path, 0, "ab");
        assert_eq!(append(&path, 5, "fg"), 7);
        let whole = "ab\n[netbuild: gap of 3 bytes]\nfg";
        assert_eq!(text(&path), whole);
        for length in 2..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let next = next_offset(&path).unwrap();
            assert_eq!(next, if length == whole.len() - 1 { 6 } else { 5 }, "torn at {length}");
            let known = usize::try_from(next - 5).unwrap();
            assert_eq!(append(&path, next, &"fg"[known..]), 7);
            assert_eq!(text(&path), whole, "torn at {length}");
        }
    }

    #[test]
    fn bytes_lost_in_a_power_cut_are_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        append(&path, 0, "abcd");
        append(&path, 6, "gh");
        fs::write(&path, "abc").unwrap();
        assert_eq!(append(&path, 8, "ij"), 10);
        assert_eq!(text(&path), "abc\n[netbuild: gap of 3 bytes]\n[netbuild: gap of 2 bytes]\nij");
    }

    #[test]
    fn another_process_is_kept_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let _open = StoredLog::open(&path).unwrap();
        assert_eq!(StoredLog::open(&path).err().unwrap().kind(), io::ErrorKind::WouldBlock);
    }

    proptest! {
        /// Appends anywhere, crashes after any byte: what is stored is the log with marks for what never came.
        #[test]
        fn what_is_stored_is_the_log_and_its_gaps(
            appends in prop::collection::vec((0u64..60, 0usize..20, any::<Option<prop::sample::Index>>()), 1..12),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.log");
            let log: String = ('a'..='z').cycle().take(100).collect();
            let (mut next, mut expected) = (0, String::new());
            for (from, length, torn) in appends {
                let at = usize::try_from(from).unwrap();
                let end = from + length as u64;
                let before = expected.clone();
                if length > 0 && end > next {
                    if from > next {
                        expected.push_str(&Mark::Gap { bytes: from - next }.to_line(expected.is_empty()));
                    }
                    expected.push_str(&log[usize::try_from(next.max(from)).unwrap()..at + length]);
                    next = end;
                }
                prop_assert_eq!(append(&path, from, &log[at..at + length]), next);
                prop_assert_eq!(&text(&path), &expected);
                if let Some(torn) = torn {
                    let keep = before.len() + torn.index(expected.len() - before.len() + 1);
                    fs::write(&path, &expected[..keep]).unwrap();
                    let known = next_offset(&path).unwrap();
                    prop_assert!(known <= next);
                    append(&path, known, &log[usize::try_from(known).unwrap()..usize::try_from(next).unwrap()]);
                    prop_assert_eq!(next_offset(&path).unwrap(), next, "nothing is lost or twice");
                    StoredLog::open(&path).unwrap();
                    prop_assert_eq!(&text(&path), &expected);
                }
            }
        }
    }
}
