//! How a piece of a log looks: what SGR sequences of terminals set, as far as it is harmless.

use std::fmt::Write;

/// Colours and weight. What hides text or moves it (conceal, blink, fonts) is not part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// A bit for each of [`ATTRIBUTES`].
    attributes: u8,
    text: Option<Colour>,
    ground: Option<Colour>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colour {
    Palette(u8),
    Rgb(u8, u8, u8),
}

/// The code that sets an attribute, the one that ends it, and its name in pages.
const ATTRIBUTES: [(u16, u16, &str); 6] =
    [(1, 22, "bold"), (2, 22, "faint"), (3, 23, "italic"), (4, 24, "underline"), (7, 27, "inverse"), (9, 29, "struck")];

impl Style {
    /// The style after an SGR sequence with these parameters: digits, semicolons and colons. What is not known is ignored.
    pub(super) fn after(mut self, parameters: &str) -> Self {
        let mut parameters = parameters.split(';');
        while let Some(parameter) = parameters.next() {
            if let Some((code, rest)) = parameter.split_once(':') {
                self.apply_colons(code, rest);
                continue;
            }
            let Some(code) = number(parameter) else { continue };
            match code {
                38 => self.text = colour(&mut parameters).or(self.text),
                48 => self.ground = colour(&mut parameters).or(self.ground),
                // The colour of underlines: its numbers must not be taken for codes.
                58 => drop(colour(&mut parameters)),
                code => self.apply(code),
            }
        }
        self
    }

    fn apply(&mut self, code: u16) {
        let palette = |first: u16, nth: u16| u8::try_from(nth + code - first).ok().map(Colour::Palette);
        match code {
            0 => *self = Style::default(),
            30..=37 => self.text = palette(30, 0),
            39 => self.text = None,
            40..=47 => self.ground = palette(40, 0),
            49 => self.ground = None,
            90..=97 => self.text = palette(90, 8),
            100..=107 => self.ground = palette(100, 8),
            _ => {
                for (bit, (set, end, _)) in ATTRIBUTES.iter().enumerate() {
                    if code == *set {
                        self.attributes |= 1 << bit;
                    } else if code == *end {
                        self.attributes &= !(1 << bit);
                    }
                }
            }
        }
    }

    /// `4:3` for a kind of underline, `38:5:n` and `38:2:…:r:g:b` for colours.
    fn apply_colons(&mut self, code: &str, rest: &str) {
        let last = rest.rsplit(':').map(number).take(3).collect::<Option<Vec<_>>>();
        match (code, rest.split(':').next(), last.as_deref()) {
            ("4", Some("0"), _) => self.apply(24),
            ("4", ..) => self.apply(4),
            ("38", Some("5"), Some([nth, ..])) => self.text = indexed(*nth).or(self.text),
            ("48", Some("5"), Some([nth, ..])) => self.ground = indexed(*nth).or(self.ground),
            ("38", Some("2"), Some([b, g, r])) => self.text = rgb(*r, *g, *b).or(self.text),
            ("48", Some("2"), Some([b, g, r])) => self.ground = rgb(*r, *g, *b).or(self.ground),
            _ => {}
        }
    }

    /// The sequence that gives a terminal this style, whatever it had before.
    pub(super) fn to_sgr(self) -> String {
        let mut sgr = "\u{1b}[0".to_owned();
        for (set, ..) in self.attributes() {
            let _ = write!(sgr, ";{set}");
        }
        for (colour, basic, bright, other) in [(self.text, 30, 90, 38), (self.ground, 40, 100, 48)] {
            let _ = match colour {
                None => Ok(()),
                Some(Colour::Palette(nth @ ..8)) => write!(sgr, ";{}", basic + nth),
                Some(Colour::Palette(nth @ 8..16)) => write!(sgr, ";{}", bright + nth - 8),
                Some(Colour::Palette(nth)) => write!(sgr, ";{other};5;{nth}"),
                Some(Colour::Rgb(r, g, b)) => write!(sgr, ";{other};2;{r};{g};{b}"),
            };
        }
        sgr + "m"
    }

    /// The names of classes for a page, separated by spaces: `log-bold log-fg-1`. A colour is a number of the palette of
    /// 256, the nearest one where the log has another.
    pub(super) fn to_classes(self) -> String {
        let attributes = self.attributes().map(|(_, _, name)| format!("log-{name}"));
        let text = self.text.map(|colour| format!("log-fg-{}", colour.nearest()));
        let ground = self.ground.map(|colour| format!("log-bg-{}", colour.nearest()));
        attributes.chain(text).chain(ground).collect::<Vec<_>>().join(" ")
    }

    fn attributes(self) -> impl Iterator<Item = (u16, u16, &'static str)> {
        let is_set = move |bit: &usize| self.attributes & (1 << bit) != 0;
        (0..ATTRIBUTES.len()).filter(is_set).map(|bit| ATTRIBUTES[bit])
    }
}

impl Colour {
    /// The number in the palette: of 256 colours, those from 16 to 231 are a cube of six steps for each of three colours.
    fn nearest(self) -> u8 {
        match self {
            Colour::Palette(nth) => nth,
            Colour::Rgb(r, g, b) => {
                let [r, g, b] = [r, g, b].map(|part| ((u16::from(part) * 5 + 127) / 255) as u8);
                16 + 36 * r + 6 * g + b
            }
        }
    }
}

/// What follows 38, 48 or 58: `5;n` or `2;r;g;b`.
fn colour<'a>(parameters: &mut impl Iterator<Item = &'a str>) -> Option<Colour> {
    let mut next = || number(parameters.next()?);
    match next()? {
        5 => indexed(next()?),
        2 => {
            let (r, g, b) = (next()?, next()?, next()?);
            rgb(r, g, b)
        }
        _ => None,
    }
}

fn indexed(nth: u16) -> Option<Colour> {
    u8::try_from(nth).ok().map(Colour::Palette)
}

fn rgb(r: u16, g: u16, b: u16) -> Option<Colour> {
    Some(Colour::Rgb(u8::try_from(r).ok()?, u8::try_from(g).ok()?, u8::try_from(b).ok()?))
}

/// A parameter; one that is left out is 0.
fn number(text: &str) -> Option<u16> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_add_up_and_read_back() {
        for (parameters, sgr, classes) in [
            ("", "\u{1b}[0m", ""),
            ("1;31", "\u{1b}[0;1;31m", "log-bold log-fg-1"),
            (
                "1;2;3;4;7;9",
                "\u{1b}[0;1;2;3;4;7;9m",
                "log-bold log-faint log-italic log-underline log-inverse log-struck",
            ),
            ("1;2;4;22", "\u{1b}[0;4m", "log-underline"),
            ("97;100;39", "\u{1b}[0;100m", "log-bg-8"),
            ("38;5;208;48;2;255;0;128", "\u{1b}[0;38;5;208;48;2;255;0;128m", "log-fg-208 log-bg-199"),
            ("38:5:9;48:2::1:2:3", "\u{1b}[0;91;48;2;1;2;3m", "log-fg-9 log-bg-16"),
            ("4:3;1;4:0", "\u{1b}[0;1m", "log-bold"),
            ("31;0;3", "\u{1b}[0;3m", "log-italic"),
            ("58;5;1;3", "\u{1b}[0;3m", "log-italic"),
            ("38;2;1", "\u{1b}[0m", ""),
            ("38;5;256;8;5;99999;1", "\u{1b}[0;1m", "log-bold"),
        ] {
            let style = Style::default().after(parameters);
            assert_eq!((style.to_sgr().as_str(), style.to_classes().as_str()), (sgr, classes), "{parameters}");
            let sgr = style.to_sgr();
            let read = Style::default().after("7;44").after(&sgr[2..sgr.len() - 1]);
            assert_eq!(read, style, "what it writes it reads");
        }
    }
}
