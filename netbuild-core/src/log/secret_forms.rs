//! The forms in which a secret may appear in a log.

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

/// The shortest text that is masked, in bytes. Shorter ones are in ordinary words, and masking them would tell more by
/// what is masked than it hides: hosts should refuse such secrets.
pub const MIN_SECRET_BYTES: usize = 4;

/// A text to mask.
pub(super) type Form = Zeroizing<Vec<u8>>;

/// Every text to mask for a secret: the whole, and each of its lines, because tools print keys and certificates line by
/// line. Another form, an encoding for example, is one more line here.
pub(super) fn forms(secret: &SecretString) -> Vec<Form> {
    let text = secret.expose_secret();
    std::iter::once(text)
        .chain(text.lines())
        .filter(|form| form.len() >= MIN_SECRET_BYTES)
        .map(|form| Zeroizing::new(form.as_bytes().to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(secret: &str) -> Vec<String> {
        forms(&SecretString::from(secret)).iter().map(|form| String::from_utf8(form.to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_whole_and_every_line_of_four_bytes() {
        assert_eq!(texts("abcd\r\nxyz\nefghi\n"), ["abcd\r\nxyz\nefghi\n", "abcd", "efghi"]);
        assert_eq!(texts("abc\n"), ["abc\n"]);
        assert!(texts("abc").is_empty());
        assert!(texts("").is_empty());
    }
}
