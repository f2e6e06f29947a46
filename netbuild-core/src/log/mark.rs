//! The marks that netbuild itself writes into a log.

use std::fmt;

/// A line that says where a log lacks bytes.
///
/// Marks are for people. A command can print the same text, so nothing is decided by a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `[netbuild: gap of N bytes]`: so many bytes are lost here.
    Gap {
        /// How many.
        bytes: u64,
    },
    /// `[netbuild: log truncated after N bytes]`: the log reached its bound here; what came later was dropped.
    Truncated {
        /// The length of the log before the mark.
        bytes: u64,
    },
    /// `[netbuild: line cut after N bytes]`: the line before was longer; the rest of it was dropped.
    LineCut {
        /// The length of what is left of it.
        bytes: u64,
    },
}

impl Mark {
    /// The mark as it goes into a log, on a line of its own. `at_line_start` says whether the byte before it ended a
    /// line, or there is none.
    pub fn to_line(self, at_line_start: bool) -> String {
        if at_line_start { format!("{self}\n") } else { format!("\n{self}\n") }
    }

    /// The mark that a line of a log is, with or without its line end; `None` for any other line.
    pub fn recognise(line: &[u8]) -> Option<Mark> {
        let line = std::str::from_utf8(line).ok()?;
        let line = line.strip_suffix('\n').unwrap_or(line);
        let text = line.strip_prefix("[netbuild: ")?.strip_suffix(" bytes]")?;
        let (what, bytes) = text.rsplit_once(' ')?;
        let bytes = bytes.parse().ok()?;
        let mark = match what {
            "gap of" => Mark::Gap { bytes },
            "log truncated after" => Mark::Truncated { bytes },
            "line cut after" => Mark::LineCut { bytes },
            _ => return None,
        };
        // Numbers parse from more than one text (`+7`, `007`), a mark is written in one way only.
        (mark.to_string() == line).then_some(mark)
    }
}

impl fmt::Display for Mark {
    /// The exact text, without a line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mark::Gap { bytes } => write!(f, "[netbuild: gap of {bytes} bytes]"),
            Mark::Truncated { bytes } => write!(f, "[netbuild: log truncated after {bytes} bytes]"),
            Mark::LineCut { bytes } => write!(f, "[netbuild: line cut after {bytes} bytes]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_have_one_text_and_read_back() {
        for (mark, text) in [
            (Mark::Gap { bytes: 7 }, "[netbuild: gap of 7 bytes]"),
            (Mark::Truncated { bytes: u64::MAX }, "[netbuild: log truncated after 18446744073709551615 bytes]"),
            (Mark::LineCut { bytes: 0 }, "[netbuild: line cut after 0 bytes]"),
        ] {
            assert_eq!(mark.to_string(), text);
            assert_eq!(mark.to_line(true), format!("{text}\n"));
            assert_eq!(mark.to_line(false), format!("\n{text}\n"));
            assert_eq!(Mark::recognise(text.as_bytes()), Some(mark));
            assert_eq!(Mark::recognise(mark.to_line(true).as_bytes()), Some(mark));
        }
    }

    #[test]
    fn other_lines_are_no_marks() {
        for line in [
            "",
            "[netbuild: gap of  bytes]",
            "[netbuild: gap of +7 bytes]",
            "[netbuild: gap of 007 bytes]",
            "[netbuild: gap of 18446744073709551616 bytes]",
            " [netbuild: gap of 7 bytes]",
            "[netbuild: gap of 7 bytes] ",
            "[netbuild: gap of 7 bytes]\n\n",
            "[netbuild: log truncated after x bytes]",
            "[netbuild: 7 bytes]",
            "[netbuild: line lost after 7 bytes]",
        ] {
            assert_eq!(Mark::recognise(line.as_bytes()), None, "{line:?}");
        }
        assert_eq!(Mark::recognise(b"\xff"), None);
    }
}
