//! The lines in which Git's protocol comes, as far as they carry a pack.

use super::pack_bounds::{PackBounds, PackError};
use super::pack_stream::PackStream;

/// The band that carries the pack, and from servers with `sideband-all` the words before it. No other line begins so.
const PACK: u8 = 1;

/// The longest line of words before the pack.
const LONGEST_WORDS: usize = 100;

/// An answer of which a part was seen.
pub(super) struct PackLines {
    /// The length of the line, as far as it has come.
    length: Vec<u8>,
    /// The bytes of the line that are to come.
    left: usize,
    /// What the line carries, once it has begun.
    band: Option<u8>,
    /// A line before the pack, as far as it has come.
    words: Vec<u8>,
    begun: bool,
    pack: PackStream,
}

impl PackLines {
    pub(super) fn new(bounds: PackBounds) -> Self {
        PackLines {
            length: Vec::new(),
            left: 0,
            band: None,
            words: Vec::new(),
            begun: false,
            pack: PackStream::new(bounds),
        }
    }

    /// Looks at the next part of the answer.
    pub(super) fn see(&mut self, mut part: &[u8]) -> Result<(), PackError> {
        while let Some((&byte, after)) = part.split_first() {
            part = match (self.left, self.band) {
                (0, _) => {
                    self.length.push(byte);
                    if let Some(length) = self.length.as_array() {
                        // Lengths below four are marks between lines.
                        self.left = usize::from(line_length(*length)?).saturating_sub(4);
                        self.band = None;
                        self.length.clear();
                    }
                    after
                }
                (_, None) => {
                    self.band = Some(byte);
                    self.left -= 1;
                    after
                }
                (left, Some(band)) => {
                    let (line, after) = part.split_at(left.min(part.len()));
                    self.left -= line.len();
                    if band == PACK {
                        self.see_band(line)?;
                    }
                    after
                }
            };
        }
        Ok(())
    }

    /// Looks at the next part of a line in the pack's band: the pack, unless the whole line is words before it.
    fn see_band(&mut self, part: &[u8]) -> Result<(), PackError> {
        if self.begun {
            return self.pack.see(part);
        }
        self.words.extend_from_slice(part);
        let ended = self.left == 0;
        if !ended && self.words.len() <= LONGEST_WORDS {
            return Ok(());
        }
        let line = std::mem::take(&mut self.words);
        if ended && is_words(&line) {
            return Ok(());
        }
        self.begun = true;
        self.pack.see(&line)
    }
}

/// The headings and lines before a pack in protocol version 2. No pack begins so.
fn is_words(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    matches!(line, b"acknowledgments" | b"shallow-info" | b"wanted-refs" | b"packfile" | b"ready" | b"NAK")
        || [&b"ACK "[..], b"shallow ", b"unshallow "].iter().any(|word| line.starts_with(word))
}

fn line_length(hex: [u8; 4]) -> Result<u16, PackError> {
    let digits = std::str::from_utf8(&hex).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    digits
        .and_then(|text| u16::from_str_radix(text, 16).ok())
        .ok_or(PackError::Malformed("a line of the answer does not begin with its length"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netbuild_core::model::JobRules;

    fn seen(answer: &[u8]) -> Result<(), PackError> {
        let bounds = PackBounds::of(&JobRules { source_files: 0, ..JobRules::default() });
        let mut lines = PackLines::new(bounds);
        let in_parts = answer.chunks(1).try_for_each(|byte| lines.see(byte));
        assert_eq!(in_parts, PackLines::new(bounds).see(answer));
        in_parts
    }

    /// A pack of nothing, and another one that nobody would look at.
    const SECOND: &[u8] = b"0025\x01PACK\0\0\0\x02\0\0\0\0aaaaaaaaaaaaaaaaaaaa0009\x01PACK";

    #[test]
    fn the_pack_is_found_among_the_lines() {
        assert_eq!(
            seen(b"000dpackfile\n0005\x01000a\x02PACK?0009\x01PACK0001000d\x01\0\0\0\x02\0\0\0\x000000"),
            Ok(())
        );
        let headings = b"0015\x01acknowledgments\n0009\x01NAK\n0001000e\x01packfile\n0005\x01";
        assert_eq!(seen(&[&headings[..], b"000a\x02PACK?0011\x01PACK\0\0\0\x02\0\0\0\x000000"].concat()), Ok(()));
        let too_many = seen(&[&headings[..], b"0007\x01PA0007\x01CK000d\x01\0\0\0\x02\xff\0\0\0"].concat());
        assert!(matches!(too_many, Err(PackError::TooMuch { rule: "source_files", .. })), "{too_many:?}");
        let too_many = seen(b"0008NAK\n0009\x01PACK000d\x01\0\0\0\x02\xff\0\0\0");
        assert!(matches!(too_many, Err(PackError::TooMuch { rule: "source_files", .. })), "{too_many:?}");
        for malformed in [&b"+00d"[..], b"PACK", b"000gpackfile\n", b"0009\x01BACK000d\x01\0\0\0\x02\0\0\0\0", SECOND] {
            assert!(matches!(seen(malformed), Err(PackError::Malformed(_))));
        }
    }
}
