//! The forms in which a secret may appear in a log.

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::secret_encodings::{ENCODINGS, Encoding};

/// The shortest text that is masked, in bytes, in whichever form. Shorter ones are in ordinary words, and masking them
/// would tell more by what is masked than it hides: hosts should refuse such secrets.
pub const MIN_SECRET_BYTES: usize = 4;

/// A text to mask.
pub(super) type Form = Zeroizing<Vec<u8>>;

/// The texts to mask for some secrets.
#[derive(Default)]
pub(super) struct Forms {
    /// Each secret as it is, and each of its lines, because tools print keys and certificates line by line. Spaces around
    /// a line do not belong to it: tools change them.
    pub(super) plain: Vec<Form>,
    /// All of these as tools encode them, in the order of what matters: the encodings that logs have most come first, and
    /// of each encoding the shortest texts.
    pub(super) encoded: Vec<Form>,
}

pub(super) fn forms<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Forms {
    let mut texts: Vec<&str> = secrets.into_iter().flat_map(|secret| texts(secret.expose_secret())).collect();
    texts.sort_unstable_by_key(|text| (text.len(), *text));
    texts.dedup();
    let encode = |encoding: &'a Encoding| texts.iter().flat_map(move |text| encoded(text, encoding));
    Forms {
        plain: texts.iter().map(|text| Zeroizing::new(text.as_bytes().to_vec())).collect(),
        encoded: ENCODINGS.iter().flat_map(encode).collect(),
    }
}

/// The whole and its lines. Nothing but white space is no secret.
fn texts(secret: &str) -> impl Iterator<Item = &str> {
    let whole = Some(secret).filter(|whole| !whole.trim().is_empty());
    whole.into_iter().chain(secret.lines().map(str::trim)).filter(|text| text.len() >= MIN_SECRET_BYTES)
}

/// A text in an encoding, where that differs from the text itself.
fn encoded(text: &str, encoding: &Encoding) -> Vec<Form> {
    let mut forms = encoding(text);
    forms.retain(|form| form.len() >= MIN_SECRET_BYTES && form.as_slice() != text.as_bytes());
    forms.sort_unstable_by(|a, b| a.as_slice().cmp(b.as_slice()));
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(secret: &str) -> Vec<String> {
        let secret = SecretString::from(secret);
        forms([&secret]).plain.iter().map(|form| String::from_utf8(form.to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_whole_and_every_line_of_four_bytes() {
        assert_eq!(plain("abcd\r\nxyz\n  efghi \n"), ["abcd", "efghi", "abcd\r\nxyz\n  efghi \n"]);
        assert_eq!(plain("abc\n"), ["abc\n"]);
        assert!(plain("abc").is_empty());
        assert!(plain("").is_empty());
        assert!(plain("    \n     ").is_empty(), "every indented line would be masked");
    }

    #[test]
    fn a_text_that_an_encoding_leaves_as_it_is_is_there_once() {
        let secret = SecretString::from("hunter22");
        let encoded = forms([&secret, &secret]).encoded;
        assert!(!encoded.iter().any(|form| form.as_slice() == b"hunter22"));
        assert!(encoded.iter().any(|form| form.as_slice() == b"aHVudGVyMjI="));
        assert!(encoded.len() < 16, "{} forms of a plain word", encoded.len());
    }
}
