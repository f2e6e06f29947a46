//! Text of a request that a person may read: short, and harmless in a log.

use std::fmt;

/// The longest [`Label`], in bytes.
pub const MAX_LABEL_BYTES: usize = 120;

/// A text that a request brought, to be read by a person: an event's name, a branch, a delivery id.
///
/// At most [`MAX_LABEL_BYTES`] bytes; what is longer is cut and ends in `…`. Control characters and characters that
/// change the direction of a line are replaced by `\u{fffd}`, so that no request writes lines or colours into a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

impl Label {
    /// The readable form of a text.
    pub fn new(text: &str) -> Self {
        const CUT: char = '…';
        let mut label = String::new();
        for c in text.chars().map(|c| if is_harmless(c) { c } else { char::REPLACEMENT_CHARACTER }) {
            if label.len() + c.len_utf8() + CUT.len_utf8() > MAX_LABEL_BYTES {
                label.push(CUT);
                break;
            }
            label.push(c);
        }
        Label(label)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_short_and_writes_no_lines() {
        assert_eq!(Label::new("feature/größe").as_str(), "feature/größe");
        assert_eq!(
            Label::new("a\r\nforged \u{1b}[31m\u{202e}").as_str(),
            "a\u{fffd}\u{fffd}forged \u{fffd}[31m\u{fffd}"
        );
        for text in ["x".repeat(5000), "ü".repeat(5000), "\u{fffd}".repeat(5000)] {
            let label = Label::new(&text);
            assert!(label.as_str().len() <= MAX_LABEL_BYTES && label.as_str().ends_with('…'), "{label}");
        }
    }
}
