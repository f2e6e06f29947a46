//! Logs, and other texts of others, made safe for a terminal.

use super::display::{Display, Shown};
use super::style::Style;

/// Makes a stream of bytes safe for a terminal: the output is UTF-8 text with line feeds and tabs and, when asked for,
/// colours.
///
/// - Colours and weight stay, as SGR sequences that are written anew. Each line begins and ends without any, so that lines
///   can be shown apart from each other.
/// - Every other terminal sequence is dropped, as are control characters, characters that turn the direction of text and
///   unseen ones. A sequence that never ends is dropped up to the end of its line.
/// - A carriage return does not overwrite its line, it ends it: nothing that was printed is hidden.
/// - Bytes that are no UTF-8 become U+FFFD.
///
/// The output does not depend on how the stream is cut into chunks.
///
/// ```
/// use netbuild_core::log::TerminalText;
///
/// let mut text = TerminalText::coloured();
/// let mut shown = text.feed(b"\x1b]0;a title\x07 10%\r100% \x1b[3");
/// shown += &text.feed(b"2mdone\x1b[2J\n");
/// shown += &text.finish();
/// assert_eq!(shown, " 10%\n100% \x1b[0;32mdone\x1b[0m\n");
/// ```
#[derive(Debug)]
pub struct TerminalText {
    display: Display,
    colours: bool,
    /// The most characters in a line.
    width: usize,
    /// How many the line has.
    column: usize,
    /// What the terminal has been told.
    style: Style,
}

impl TerminalText {
    /// With colours.
    pub fn coloured() -> Self {
        TerminalText { colours: true, ..Self::plain() }
    }

    /// Without any terminal sequence.
    pub fn plain() -> Self {
        let (display, style) = (Display::default(), Style::default());
        TerminalText { display, colours: false, width: usize::MAX, column: 0, style }
    }

    /// Breaks lines that are longer than so many characters; at least one.
    pub fn wrapped(self, width: usize) -> Self {
        TerminalText { width: width.max(1), ..self }
    }

    /// Takes the next bytes of the stream and gives what they show.
    pub fn feed(&mut self, bytes: &[u8]) -> String {
        let mut out = String::with_capacity(bytes.len());
        let mut display = std::mem::take(&mut self.display);
        display.feed(bytes, &mut |shown| self.show(shown, &mut out));
        self.display = display;
        out
    }

    /// Ends the stream, and its colours. What comes then is another one.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        let mut display = std::mem::take(&mut self.display);
        display.finish(&mut |shown| self.show(shown, &mut out));
        self.set(Style::default(), &mut out);
        self.column = 0;
        out
    }

    fn show(&mut self, shown: Shown, out: &mut String) {
        match shown {
            Shown::Char(c, style) => {
                if self.column == self.width {
                    self.end_line(out);
                }
                if self.colours {
                    self.set(style, out);
                }
                out.push(c);
                self.column += 1;
            }
            Shown::NewLine => self.end_line(out),
        }
    }

    fn end_line(&mut self, out: &mut String) {
        self.set(Style::default(), out);
        out.push('\n');
        self.column = 0;
    }

    fn set(&mut self, style: Style, out: &mut String) {
        if self.style != style {
            out.push_str(&style.to_sgr());
            self.style = style;
        }
    }
}

/// A text of others in one line for a terminal: an error, a name, a command. Without terminal sequences; the end of a line
/// and a tab become a space.
///
/// ```
/// assert_eq!(netbuild_core::log::one_line("no\nsuch\tfile\x1b[2J"), "no such file");
/// ```
pub fn one_line(text: &str) -> String {
    let mut safe = TerminalText::plain();
    let line = safe.feed(text.as_bytes()) + &safe.finish();
    line.replace(['\n', '\t'], " ")
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::display::is_harmless;

    fn show(mut text: TerminalText, bytes: &[u8]) -> String {
        text.feed(bytes) + &text.finish()
    }

    #[test]
    fn what_drives_a_terminal_is_dropped() {
        for (bytes, shown) in [
            (&b"plain \xc3\xa4 text\tand\n"[..], "plain \u{e4} text\tand\n"),
            (b"\x1b]0;title\x07a\x1b]52;c;aGk=\x1b\\b\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "ablink"),
            (b"\x1bPq#0\x1b\\a\x1b_x\x1b\\b\x1b^y\x1b\\c\x1bXz\x1b\\d", "abcd"),
            (b"a\x1b[2J\x1b[1;1H\x1b[?1049h\x1b[>4;1mb\x1b[6n\x1b[!pc\x1b[1 qd", "abcd"),
            (b"a\x1bcb\x1b(0c\x1b7d\x1b#8e", "abcde"),
            (b"a\x07\x08\x7f\x00\x0b\x0c\x0eb", "ab"),
            (b"a\xc2\x9b31mb\xc2\x9d0;title\xc2\x9cc\xc2\x85d", "abcd"),
            (b"a\x9b31m\xffb\xc3", "a\u{fffd}31m\u{fffd}b\u{fffd}"),
            ("a\u{202e}b\u{2066}c\u{200f}d\u{feff}e\u{2028}f".as_bytes(), "abcdef"),
            (b"never ends \x1b]0;swallowed\nnext \x1b[12\nlast \x1b", "never ends \nnext \nlast "),
            (b"a\x1b\x1b[31mb\x1b[3\x1b[1mc", "abc"),
            (b"rewrite\rred\r\nnext\r\r\nlast\r", "rewrite\nred\nnext\nlast"),
            (b"\r\r10%\r20%\r\x1b[K30%", "10%\n20%\n30%"),
        ] {
            assert_eq!(show(TerminalText::plain(), bytes), shown, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn colours_stay_and_end_with_their_line() {
        for (bytes, shown) in [
            (
                &b"\x1b[1;31mred\nstill\x1b[m not\n"[..],
                "\u{1b}[0;1;31mred\u{1b}[0m\n\u{1b}[0;1;31mstill\u{1b}[0m not\n",
            ),
            (b"\x1b[8mconcealed\x1b[0m", "concealed"),
            (b"\x1b[32m", ""),
            (b"\xc2\x9b32mgreen", "\u{1b}[0;32mgreen\u{1b}[0m"),
        ] {
            assert_eq!(show(TerminalText::coloured(), bytes), shown);
        }
        let long = format!("\u{1b}[{}31mx", "0;".repeat(100));
        assert_eq!(show(TerminalText::coloured(), long.as_bytes()), "x", "longer than any that means well");
    }

    #[test]
    fn long_lines_are_broken_with_their_colours() {
        let text = TerminalText::coloured().wrapped(2);
        assert_eq!(show(text, b"\x1b[31mabc\x1b[mde\n"), "\u{1b}[0;31mab\u{1b}[0m\n\u{1b}[0;31mc\u{1b}[0md\ne\n");
        assert_eq!(show(TerminalText::plain().wrapped(2), b"ab\ncd"), "ab\ncd", "a line that fits is not broken");
    }

    /// Pieces that matter, and any bytes.
    pub(in crate::log) fn nasty() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop_oneof![
            prop::sample::select(
                [
                    "\u{1b}",
                    "[",
                    "]",
                    "0;",
                    "31",
                    "m",
                    "\u{7}",
                    "\u{1b}\\",
                    "\r",
                    "\n",
                    "\u{9b}",
                    "\u{9d}",
                    "P",
                    "38;5;",
                    "?",
                    " ",
                    "é",
                    "\u{202e}",
                    "<b>",
                    "&",
                    "\"",
                    "\u{1b}[1;31m",
                    "\u{1b}[m",
                    "text",
                ]
                .map(|piece| piece.as_bytes().to_vec())
                .to_vec()
            ),
            prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn nothing_but_harmless_characters_and_colours(bytes in nasty()) {
            let mut shown = show(TerminalText::coloured(), &bytes);
            let ends_plain = |line: &str| line.rfind('\u{1b}').is_none_or(|at| line[at..].starts_with("\u{1b}[0m"));
            let every_line_ends_plain = shown.split('\n').all(ends_plain);
            prop_assert!(every_line_ends_plain, "{shown:?}");
            while let Some(start) = shown.find('\u{1b}') {
                let end = start + shown[start..].find('m').expect("a sequence ends");
                let parameters = shown[start..end].strip_prefix("\u{1b}[").expect("it is a sequence");
                prop_assert!(parameters.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{parameters:?}");
                prop_assert!(parameters.len() <= 48);
                shown.replace_range(start..=end, "");
            }
            prop_assert!(shown.chars().all(|c| c == '\n' || c == '\t' || is_harmless(c)), "{shown:?}");
            prop_assert_eq!(shown, show(TerminalText::plain(), &bytes), "colours are all that differs");
        }

        #[test]
        fn any_chunks_show_what_the_whole_shows(
            bytes in nasty(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut text = TerminalText::coloured().wrapped(7);
            let mut shown: String = cuts.windows(2).map(|cut| text.feed(&bytes[cut[0]..cut[1]])).collect();
            shown += &text.finish();
            prop_assert_eq!(shown, show(TerminalText::coloured().wrapped(7), &bytes));
        }

        #[test]
        fn printable_text_is_unchanged(text in "[ -~äß漢字🦀\t\n]{0,80}") {
            prop_assert_eq!(show(TerminalText::coloured(), text.as_bytes()), text);
        }
    }
}
