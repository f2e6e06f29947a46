//! Logs made safe for pages.

use super::display::{Display, Shown};
use super::style::Style;

/// Makes a stream of bytes safe for the text of an HTML element, best a `pre`: markup is escaped, and what a terminal
/// would obey is dropped as [`TerminalText`](super::TerminalText) drops it.
///
/// Colours and weight become `<span class="log-bold log-fg-1">…</span>`: `bold`, `faint`, `italic`, `underline`,
/// `inverse`, `struck`, and `fg-` and `bg-` with a number of the terminals' palette of 256 colours. How they look is up to
/// the page's style sheet; without one it is plain text. No `style` attribute is used, so that a page can forbid them.
///
/// Each line closes what it opens. The output does not depend on how the stream is cut into chunks.
///
/// ```
/// use netbuild_core::log::PageText;
///
/// let mut text = PageText::new();
/// let html = text.feed(b"1 < 2 \x1b[31mred\x1b[0m\n") + &text.finish();
/// assert_eq!(html, "1 &lt; 2 <span class=\"log-fg-1\">red</span>\n");
/// ```
#[derive(Debug, Default)]
pub struct PageText {
    display: Display,
    /// The style of the open element; the default has none.
    style: Style,
}

impl PageText {
    /// At the beginning of a log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream and gives what they show.
    pub fn feed(&mut self, bytes: &[u8]) -> String {
        let mut out = String::with_capacity(bytes.len());
        let PageText { display, style } = self;
        display.feed(bytes, &mut |shown| show(shown, style, &mut out));
        out
    }

    /// Ends the stream and closes what is open. What comes then is another one.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        let PageText { display, style } = self;
        display.finish(&mut |shown| show(shown, style, &mut out));
        set(style, Style::default(), &mut out);
        out
    }
}

fn show(shown: Shown, style: &mut Style, out: &mut String) {
    match shown {
        Shown::Char(c, wanted) => {
            set(style, wanted, out);
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                c => out.push(c),
            }
        }
        Shown::NewLine => {
            set(style, Style::default(), out);
            out.push('\n');
        }
    }
}

fn set(style: &mut Style, wanted: Style, out: &mut String) {
    if *style == wanted {
        return;
    }
    if *style != Style::default() {
        out.push_str("</span>");
    }
    if wanted != Style::default() {
        out.push_str(&format!("<span class=\"{}\">", wanted.to_classes()));
    }
    *style = wanted;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::terminal::tests::nasty;
    use crate::log::{TerminalText, display::is_harmless};

    fn page(bytes: &[u8]) -> String {
        let mut text = PageText::new();
        text.feed(bytes) + &text.finish()
    }

    #[test]
    fn markup_is_text_and_colours_are_classes() {
        for (bytes, html) in [
            ("<script>'\"&amp;", "&lt;script&gt;&#39;&quot;&amp;amp;"),
            (
                "\u{1b}[1ma\nb\u{1b}[31mc",
                "<span class=\"log-bold\">a</span>\n<span class=\"log-bold\">b</span><span class=\"log-bold log-fg-1\">c</span>",
            ),
            ("\u{1b}]8;;javascript:x\u{7}link\u{1b}[31m\u{1b}[m!", "link!"),
        ] {
            assert_eq!(page(bytes.as_bytes()), html);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Without the elements that it may hold, and unescaped, it is what a terminal shows.
        #[test]
        fn a_page_holds_text_and_spans_and_nothing_else(bytes in nasty(), cut in any::<prop::sample::Index>()) {
            let html = page(&bytes);
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut chunked = PageText::new();
            prop_assert_eq!(&(chunked.feed(head) + &chunked.feed(tail) + &chunked.finish()), &html);

            let (mut text, mut open) = (String::new(), 0);
            let mut pieces = html.split('<');
            text.push_str(pieces.next().unwrap());
            for piece in pieces {
                let (element, after) = piece.split_once('>').expect("an element ends");
                match element.strip_prefix("span class=\"").and_then(|rest| rest.strip_suffix('"')) {
                    Some(classes) => {
                        let is_class = |class: &str| class.starts_with("log-") && class.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
                        prop_assert!(classes.split(' ').all(is_class), "{classes}");
                        open += 1;
                    }
                    None => {
                        prop_assert_eq!(element, "/span");
                        open -= 1;
                    }
                }
                prop_assert!(open == 0 || open == 1);
                text.push_str(after);
            }
            prop_assert_eq!(open, 0);
            prop_assert!(!text.contains(['"', '\'', '>']));
            for (escaped, plain) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")] {
                text = text.replace(escaped, plain);
            }
            prop_assert!(text.chars().all(|c| c == '\n' || c == '\t' || is_harmless(c)));
            let mut terminal = TerminalText::plain();
            prop_assert_eq!(text, terminal.feed(&bytes) + &terminal.finish());
        }
    }
}
