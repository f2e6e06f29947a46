//! The bound of a line, in a stream.

use super::Mark;

/// Cuts lines that are too long: what passes the bound is left out up to the end of the line, and a
/// [`Mark::LineCut`] stands in its place. Lines end with a line feed and nothing else: a progress bar that rewrites its
/// line by carriage returns is one line.
///
/// The output does not depend on how the stream is cut into chunks, and nothing is held back.
#[derive(Debug)]
pub(super) struct LineBound {
    max: u64,
    /// The length of the line so far.
    length: u64,
    /// The rest of the line is left out.
    cut: bool,
}

impl LineBound {
    /// A bound of `max` bytes a line, its line feed not counted.
    pub(super) fn new(max: u64) -> Self {
        LineBound { max, length: 0, cut: false }
    }

    /// Takes the next bytes of the stream and gives what is left of them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(text) => {
                    self.text(text, &mut out);
                    if !self.cut {
                        out.push(b'\n');
                    }
                    *self = LineBound::new(self.max);
                }
                None => self.text(piece, &mut out),
            }
        }
        out
    }

    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if self.cut {
            return;
        }
        let room = usize::try_from(self.max - self.length).unwrap_or(usize::MAX);
        let (kept, over) = text.split_at(room.min(text.len()));
        out.extend_from_slice(kept);
        self.length += kept.len() as u64;
        if !over.is_empty() {
            // The mark ends the line, so that the line feed that comes some day is left out with the rest.
            out.extend_from_slice(Mark::LineCut { bytes: self.max }.to_line(self.length == 0).as_bytes());
            self.cut = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bound(max: u64, text: &str) -> String {
        String::from_utf8(LineBound::new(max).feed(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_line_is_cut_where_it_passes_the_bound_and_the_next_begins_anew() {
        for (text, bounded) in [
            ("", ""),
            ("abcd\nabcd", "abcd\nabcd"),
            ("abcde", "abcd\n[netbuild: line cut after 4 bytes]\n"),
            (
                "abcde\n\nabcdef\nx",
                "abcd\n[netbuild: line cut after 4 bytes]\n\nabcd\n[netbuild: line cut after 4 bytes]\nx",
            ),
            ("ab\rcd\re\n", "ab\rc\n[netbuild: line cut after 4 bytes]\n"),
        ] {
            assert_eq!(bound(4, text), bounded, "{text:?}");
        }
        assert_eq!(bound(0, "\na\n"), "\n[netbuild: line cut after 0 bytes]\n");
    }

    proptest! {
        #[test]
        fn any_chunks_give_what_the_whole_gives(text in "[ab\n]{0,40}", cut in any::<prop::sample::Index>()) {
            let cut = cut.index(text.len() + 1);
            let mut bound = LineBound::new(3);
            let mut out = bound.feed(&text.as_bytes()[..cut]);
            out.extend(bound.feed(&text.as_bytes()[cut..]));
            let whole = LineBound::new(3).feed(text.as_bytes());
            prop_assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&whole));
            let is_short = |line: &[u8]| line.len() <= 3 || Mark::recognise(line).is_some();
            prop_assert!(whole.split(|byte| *byte == b'\n').all(is_short));
        }
    }
}
