//! What the bytes of a log show.
//!
//! A log is text that a command meant for a terminal, and a command can mean harm: terminal sequences set titles and
//! clipboards, move over lines that were there before, or make a terminal answer. Here bytes become characters with a
//! style, line by line, and nothing else is left of them.
//!
//! Written here because of what a log wants of sequences that never end: general parsers collect them, or swallow the
//! rest of the stream with them; here they end with their line, and nothing is collected.

use super::style::Style;

/// Something to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// A character, or a tab.
    Char(char, Style),
    /// The end of a line.
    NewLine,
}

/// Turns bytes into what they show. The output does not depend on how the stream is cut into chunks.
///
/// A carriage return begins its line anew on a terminal, and what was there is gone. In a log nothing is ever
/// overwritten: the line ends there, and the next one begins with what follows. Before a line feed it means nothing.
#[derive(Debug, Default)]
pub(super) struct Display {
    /// The bytes of a character that is not whole yet; at most three.
    partial: Vec<u8>,
    state: State,
    style: Style,
    /// A carriage return came, and nothing after it.
    returned: bool,
    /// The line has a character.
    written: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    /// Behind ESC.
    Escape,
    /// Behind ESC and a byte that says that more follow.
    Intermediate,
    /// In a control sequence; its parameters, when it may be SGR.
    Sequence(Option<String>),
    /// In a message to the terminal: a title, a link, a picture.
    Message,
}

/// More parameters than a sequence that sets everything has.
const MAX_PARAMETERS: usize = 64;

impl Display {
    pub(super) fn feed(&mut self, bytes: &[u8], show: &mut impl FnMut(Shown)) {
        let joined = [&std::mem::take(&mut self.partial), bytes].concat();
        let mut rest = &joined[..];
        while !rest.is_empty() {
            let (valid, unreadable) = match std::str::from_utf8(rest) {
                Ok(valid) => (valid, Some(0)),
                Err(error) => {
                    let valid = std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default();
                    (valid, error.error_len())
                }
            };
            valid.chars().for_each(|c| self.take(c, show));
            rest = &rest[valid.len()..];
            match unreadable {
                Some(0) => {}
                Some(length) => {
                    self.take(char::REPLACEMENT_CHARACTER, show);
                    rest = &rest[length..];
                }
                None => {
                    self.partial = rest.to_vec();
                    return;
                }
            }
        }
    }

    /// Ends the stream. The display is then ready for another.
    pub(super) fn finish(&mut self, show: &mut impl FnMut(Shown)) {
        if !self.partial.is_empty() {
            self.take(char::REPLACEMENT_CHARACTER, show);
        }
        *self = Display::default();
    }

    fn take(&mut self, c: char, show: &mut impl FnMut(Shown)) {
        // Text that comes in the middle of a sequence ends it and is shown.
        self.state = match std::mem::take(&mut self.state) {
            State::Text => self.text(c, show),
            State::Escape => match c {
                '[' => State::Sequence(Some(String::new())),
                ']' | 'P' | 'X' | '^' | '_' => State::Message,
                ' '..='/' => State::Intermediate,
                '0'..='~' => State::Text,
                c => self.text(c, show),
            },
            State::Intermediate => match c {
                ' '..='/' => State::Intermediate,
                '0'..='~' => State::Text,
                c => self.text(c, show),
            },
            State::Sequence(parameters) => match c {
                '0'..=';' => State::Sequence(
                    parameters
                        .filter(|known| known.len() < MAX_PARAMETERS)
                        .map(|known| known + c.encode_utf8(&mut [0; 4])),
                ),
                ' '..='/' | '<'..='?' => State::Sequence(None),
                '@'..='~' => {
                    if let ('m', Some(parameters)) = (c, parameters) {
                        self.style = self.style.after(&parameters);
                    }
                    State::Text
                }
                c => self.text(c, show),
            },
            State::Message => match c {
                '\u{1b}' | '\n' => self.text(c, show),
                '\u{7}' | '\u{18}' | '\u{1a}' | '\u{9c}' => State::Text,
                _ => State::Message,
            },
        };
    }

    fn text(&mut self, c: char, show: &mut impl FnMut(Shown)) -> State {
        match c {
            '\u{1b}' => return State::Escape,
            '\u{9b}' => return State::Sequence(Some(String::new())),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => return State::Message,
            '\n' => {
                show(Shown::NewLine);
                (self.returned, self.written) = (false, false);
            }
            '\r' => self.returned = true,
            c if c == '\t' || is_harmless(c) => {
                if std::mem::take(&mut self.returned) && self.written {
                    show(Shown::NewLine);
                }
                show(Shown::Char(c, self.style));
                self.written = true;
            }
            _ => {}
        }
        State::Text
    }
}

/// Whether a character shows itself and nothing else: no control character, none that turns the direction of the text
/// around it, breaks its line, or is there without being seen.
pub(super) fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}
