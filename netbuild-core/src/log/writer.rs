//! Writing the log of an attempt: masked and bounded.

use std::fmt;
use std::io::{self, Write};

use super::line_bound::LineBound;
use super::{Mark, Masker};
use crate::model::JobRules;

/// How long a log may become, and each of its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// The most bytes of the log: marks of cut lines are counted, the marks at its end are not.
    pub log_bytes: u64,
    /// The most bytes of a line, its line feed not counted.
    pub line_bytes: u64,
}

impl From<&JobRules> for LogBounds {
    fn from(rules: &JobRules) -> Self {
        LogBounds { log_bytes: rules.log_bytes, line_bytes: rules.log_line_bytes }
    }
}

/// Writes a log: masks what it is given, cuts lines that are too long, counts, and stops at a bound.
///
/// At the bound it writes [`Mark::Truncated`] once. What comes later is counted and dropped at no cost, and
/// [`finish`](Self::finish) writes a [`Mark::Gap`] that says how much that was. Masking comes first, so that a secret
/// across a cut is masked as well.
///
/// A write takes all of its bytes or fails. After a failure the end of the log is not known: end the attempt.
pub struct LogWriter<W> {
    inner: W,
    masker: Masker,
    lines: LineBound,
    /// The most bytes before the mark.
    max_bytes: u64,
    written: u64,
    dropped: u64,
    at_line_start: bool,
}

impl<W: Write> LogWriter<W> {
    /// A writer of a new log into `inner`.
    pub fn new(inner: W, masker: Masker, bounds: LogBounds) -> Self {
        let lines = LineBound::new(bounds.line_bytes);
        LogWriter { inner, masker, lines, max_bytes: bounds.log_bytes, written: 0, dropped: 0, at_line_start: true }
    }

    /// How many bytes the log has: masked ones, marks included. Bytes that the masker holds back do not count yet.
    pub fn offset(&self) -> u64 {
        self.written
    }

    /// Ends the log: writes what the masker held back and, when bytes were dropped, how many. Gives back the inner writer
    /// and the length of the log.
    ///
    /// # Errors
    /// The inner writer's.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        let rest = self.masker.finish();
        self.keep(&rest)?;
        if self.dropped > 0 {
            self.put(Mark::Gap { bytes: self.dropped }.to_line(self.at_line_start).as_bytes())?;
        }
        self.inner.flush()?;
        Ok((self.inner, self.written))
    }

    /// Writes masked bytes as far as the bounds allow.
    fn keep(&mut self, masked: &[u8]) -> io::Result<()> {
        if self.dropped > 0 {
            self.dropped += masked.len() as u64;
            return Ok(());
        }
        let bounded = self.lines.feed(masked);
        let room = usize::try_from(self.max_bytes - self.written).unwrap_or(usize::MAX);
        let (kept, over) = bounded.split_at(room.min(bounded.len()));
        self.put(kept)?;
        if !over.is_empty() {
            self.dropped = over.len() as u64;
            self.put(Mark::Truncated { bytes: self.written }.to_line(self.at_line_start).as_bytes())?;
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_all(bytes)?;
        self.written += bytes.len() as u64;
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
        }
        Ok(())
    }
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.dropped > 0 {
            // Nothing of it can become part of the log, so it need not be masked either.
            self.dropped += bytes.len() as u64;
            return Ok(bytes.len());
        }
        let masked = self.masker.feed(bytes);
        self.keep(&masked)?;
        Ok(bytes.len())
    }

    /// Flushes the inner writer. What the masker holds back stays held: it may become a secret.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W> fmt::Debug for LogWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter")
            .field("written", &self.written)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn log(log_bytes: u64, chunks: &[&str]) -> String {
        let masker = Masker::new(&[SecretString::from("hunter22")]);
        let mut writer = LogWriter::new(Vec::new(), masker, LogBounds { log_bytes, line_bytes: 20 });
        for chunk in chunks {
            writer.write_all(chunk.as_bytes()).unwrap();
        }
        let (log, length) = writer.finish().unwrap();
        assert_eq!(length, log.len() as u64);
        String::from_utf8(log).unwrap()
    }

    #[test]
    fn secrets_are_masked_across_writes() {
        assert_eq!(log(100, &["pass hun", "ter", "22\n", "hun"]), "pass [masked]\nhun");
    }

    #[test]
    fn past_the_bound_one_mark_and_the_number_of_dropped_bytes() {
        assert_eq!(log(4, &["abcd"]), "abcd", "the bound itself is within it");
        assert_eq!(
            log(4, &["ab\n", "cdef", "", "ghi", "hunter22"]),
            "ab\nc\n[netbuild: log truncated after 4 bytes]\n[netbuild: gap of 14 bytes]\n",
            "def, ghi and hunter22: past the bound nothing is masked"
        );
        assert_eq!(log(0, &["a"]), "[netbuild: log truncated after 0 bytes]\n[netbuild: gap of 1 bytes]\n");
    }

    #[test]
    fn a_long_line_is_cut_behind_the_masking_and_the_log_goes_on() {
        let expected = "0123456789 [masked]h\n[netbuild: line cut after 20 bytes]\nnext\n";
        assert_eq!(log(1_000, &["0123456789 hunt", "er22hunter21 and on\nnext\n"]), expected);
    }

    #[test]
    fn what_the_masker_holds_at_the_bound_is_counted_as_dropped() {
        let text = "abcd\n[netbuild: log truncated after 4 bytes]\n[netbuild: gap of 6 bytes]\n";
        assert_eq!(log(4, &["abcd!hun", "ab"]), text, "! and hun and ab");
    }

    #[test]
    fn the_offset_counts_masked_bytes_that_are_written() {
        let bounds = LogBounds { log_bytes: 100, line_bytes: 100 };
        let mut writer = LogWriter::new(Vec::new(), Masker::new(&[SecretString::from("hunter22")]), bounds);
        writer.write_all(b"a hunter2").unwrap();
        assert_eq!(writer.offset(), 2);
        writer.write_all(b"2").unwrap();
        assert_eq!(writer.offset(), 10);
    }
}
