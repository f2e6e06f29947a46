//! Lines out of a log store.

use std::collections::VecDeque;
use std::time::Duration;

use netbuild_core::model::AttemptId;
use netbuild_core::port::{LogChunk, LogStore};

use super::text;

/// The longest line that is kept together, in bytes; a longer one is shown in pieces.
const MAX_LINE_BYTES: usize = 4096;

/// How many bytes are asked for at once.
const READ_BYTES: usize = 64 << 10;

/// How long a log store may take to answer a view.
const DEADLINE: Duration = Duration::from_secs(2);

/// Cuts bytes into lines for a terminal: without terminal sequences, control characters and invalid UTF-8.
#[derive(Clone, Debug, Default)]
pub struct LogLines {
    rest: Vec<u8>,
}

impl LogLines {
    /// The lines that these bytes complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.rest.push(byte);
            }
            if byte == b'\n' || self.rest.len() >= MAX_LINE_BYTES {
                lines.push(self.take());
            }
        }
        lines
    }

    /// The last line, when it has no line end.
    pub fn finish(&mut self) -> Option<String> {
        (!self.rest.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> String {
        let line = text::one_line(&String::from_utf8_lossy(&self.rest));
        self.rest.clear();
        line
    }
}

/// Follows the log of one attempt.
#[derive(Debug)]
pub(crate) struct LogReader {
    attempt: AttemptId,
    position: u64,
    lines: LogLines,
}

impl LogReader {
    pub(crate) fn new(attempt: AttemptId) -> Self {
        LogReader { attempt, position: 0, lines: LogLines::default() }
    }

    /// The next lines; `None` when nothing new is there, or the store does not answer.
    pub(crate) async fn read(&mut self, store: &dyn LogStore) -> Option<Vec<String>> {
        let chunk = read(store, &self.attempt, self.position).await?;
        self.position = chunk.offset + chunk.bytes.len() as u64;
        Some(self.lines.push(&chunk.bytes))
    }

    /// Whether there is more than was read.
    pub(crate) async fn more(&self, store: &dyn LogStore) -> bool {
        read(store, &self.attempt, self.position).await.is_some()
    }

    /// The last line, when it has no line end.
    pub(crate) fn finish(&mut self) -> Option<String> {
        self.lines.finish()
    }
}

/// The last lines of an attempt's log, as far as the store gives it.
pub async fn log_tail(store: &dyn LogStore, attempt: &AttemptId, count: usize) -> Vec<String> {
    let mut reader = LogReader::new(attempt.clone());
    let mut tail = VecDeque::new();
    while let Some(lines) = reader.read(store).await {
        tail.extend(lines);
        tail.drain(..tail.len().saturating_sub(count));
    }
    tail.extend(reader.finish());
    tail.drain(..tail.len().saturating_sub(count));
    tail.into()
}

async fn read(store: &dyn LogStore, attempt: &AttemptId, from: u64) -> Option<LogChunk> {
    let answer = tokio::time::timeout(DEADLINE, store.read(attempt, from, READ_BYTES)).await;
    answer.ok()?.ok().filter(|chunk| !chunk.bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_chunks_end() {
        let bytes = "one\r\ntwo ä\n\nlast".as_bytes();
        for cut in 0..=bytes.len() {
            let mut lines = LogLines::default();
            let mut read = lines.push(&bytes[..cut]);
            read.extend(lines.push(&bytes[cut..]));
            read.extend(lines.finish());
            assert_eq!(read, ["one", "two ä", "", "last"], "cut at {cut}");
            assert_eq!(lines.finish(), None);
        }
    }

    #[test]
    fn an_endless_line_is_shown_in_pieces() {
        let mut lines = LogLines::default();
        let pieces = lines.push(&vec![b'x'; 3 * MAX_LINE_BYTES + 1]);
        assert_eq!(pieces.iter().map(String::len).collect::<Vec<_>>(), [MAX_LINE_BYTES; 3]);
        assert_eq!(lines.finish().as_deref(), Some("x"));
    }
}
