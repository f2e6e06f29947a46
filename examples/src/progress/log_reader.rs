//! Lines out of a log store.

use std::collections::VecDeque;
use std::time::Duration;

use netbuild_core::log::TerminalText;
use netbuild_core::model::AttemptId;
use netbuild_core::port::{LogChunk, LogStore};

/// The longest line that is kept together, in characters; a longer one is shown in pieces.
const MAX_LINE_CHARS: usize = 1000;

/// How many bytes are asked for at once.
const READ_BYTES: usize = 64 << 10;

/// How long a log store may take to answer a view.
const DEADLINE: Duration = Duration::from_secs(2);

/// Cuts bytes into lines that are safe for a terminal, each by itself; see [`TerminalText`].
#[derive(Debug)]
pub struct LogLines {
    text: TerminalText,
    /// The line that is not whole yet.
    rest: String,
}

impl LogLines {
    /// Lines with their colours or without.
    pub fn new(colours: bool) -> Self {
        let text = if colours { TerminalText::coloured() } else { TerminalText::plain() };
        LogLines { text: text.wrapped(MAX_LINE_CHARS), rest: String::new() }
    }

    /// The lines that these bytes complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest += &self.text.feed(bytes);
        let Some((whole, rest)) = self.rest.rsplit_once('\n') else { return Vec::new() };
        let lines = whole.split('\n').map(str::to_owned).collect();
        self.rest = rest.to_owned();
        lines
    }

    /// The last line, when it has no line end.
    pub fn finish(&mut self) -> Option<String> {
        self.rest += &self.text.finish();
        Some(std::mem::take(&mut self.rest)).filter(|line| !line.is_empty())
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
    pub(crate) fn new(attempt: AttemptId, colours: bool) -> Self {
        LogReader { attempt, position: 0, lines: LogLines::new(colours) }
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

/// The last lines of an attempt's log, as far as the store gives it, without colours.
pub async fn log_tail(store: &dyn LogStore, attempt: &AttemptId, count: usize) -> Vec<String> {
    let mut reader = LogReader::new(attempt.clone(), false);
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
        let bytes = "one\r\ntwo ä\n\n\u{1b}[31mla\u{1b}[2Jst".as_bytes();
        for (colours, last) in [(false, "last"), (true, "\u{1b}[0;31mlast\u{1b}[0m")] {
            for cut in 0..=bytes.len() {
                let mut lines = LogLines::new(colours);
                let mut read = lines.push(&bytes[..cut]);
                read.extend(lines.push(&bytes[cut..]));
                read.extend(lines.finish());
                assert_eq!(read, ["one", "two ä", "", last], "cut at {cut}");
                assert_eq!(lines.finish(), None);
            }
        }
    }

    #[test]
    fn an_endless_line_is_shown_in_pieces() {
        let mut lines = LogLines::new(false);
        let pieces = lines.push(&vec![b'x'; 3 * MAX_LINE_CHARS + 1]);
        assert_eq!(pieces.iter().map(String::len).collect::<Vec<_>>(), [MAX_LINE_CHARS; 3]);
        assert_eq!(lines.finish().as_deref(), Some("x"));
    }
}
