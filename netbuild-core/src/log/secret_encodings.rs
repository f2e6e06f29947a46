//! The encodings in which tools print a secret.
//!
//! Each function gives every text that an encoding may make of a secret. Where the encoding depends on what stands around
//! the secret, it gives the part that is certain.

use base64::Engine as _;
use base64::alphabet::{self, Alphabet};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use secrecy::zeroize::Zeroizing;

use super::secret_forms::Form;

/// What an encoding may make of a text.
pub(super) type Encoding = fn(&str) -> Vec<Form>;

/// What is masked, in the order in which it matters when not all of it has room.
pub(super) const ENCODINGS: [Encoding; 6] = [base64_anywhere, base64_in_lines, percent, hex, json, shell];

/// In Base64, standard and for URLs, with and without padding, wherever in the encoded bytes the text stands.
fn base64_anywhere(text: &str) -> Vec<Form> {
    let before = 0..3;
    before
        .flat_map(|before| {
            base64(text.as_bytes(), before, &alphabet::STANDARD).into_iter().chain(base64(
                text.as_bytes(),
                before,
                &alphabet::URL_SAFE,
            ))
        })
        .collect()
}

/// In Base64 that begins with the text and is wrapped as `base64` (76) and `openssl` (64) do.
fn base64_in_lines(text: &str) -> Vec<Form> {
    let lines = [76, 64].into_iter().map(|letters| letters / 4 * 3).filter(|bytes| text.len() > *bytes);
    lines
        .flat_map(|bytes| text.as_bytes().chunks(bytes))
        .flat_map(|line| base64(line, 0, &alphabet::STANDARD))
        .collect()
}

/// Bytes in Base64 behind `before` other bytes, modulo 3. A letter holds six bits: those that hold bits of other bytes as
/// well are left out at the beginning; the last is left out when others follow, and stays, with its padding, when not.
fn base64(bytes: &[u8], before: usize, alphabet: &Alphabet) -> Vec<Form> {
    let input = Zeroizing::new([&[0; 2][..before], bytes].concat());
    let letters = Zeroizing::new(GeneralPurpose::new(alphabet, NO_PAD).encode(&*input).into_bytes());
    let first = (before * 8).div_ceil(6);
    let whole = input.len() * 8 / 6;
    let Some(certain) = letters.get(first..whole) else { return Vec::new() };
    let padding = &b"=="[..(3 - input.len() % 3) % 3];
    [certain, &letters[first..], &[&letters[first..], padding].concat()].map(form).into()
}

/// For URLs: what different tools keep as it is, with digits in capitals or not.
fn percent(text: &str) -> Vec<Form> {
    /// Kept beside letters and digits, and whether a space becomes `+`.
    const KEPT: [(&[u8], bool); 7] = [
        (b"-_.~", false),                 // RFC 3986
        (b"-_.~", true),                  // Python's quote_plus
        (b"*-._", true),                  // HTML forms
        (b"-_.~/", false),                // paths
        (b"-_.~!'()*", false),            // JavaScript's encodeURIComponent
        (b"-_.~!'()*;,/?:@&=+$#", false), // encodeURI
        (b"", false),                     // whoever takes no risk
    ];
    let forms = |(kept, plus): &(&[u8], bool)| {
        [b"0123456789ABCDEF", b"0123456789abcdef"].map(|digits| {
            let mut form = Vec::with_capacity(3 * text.len());
            for byte in text.bytes() {
                match byte {
                    b' ' if *plus => form.push(b'+'),
                    _ if byte.is_ascii_alphanumeric() || kept.contains(&byte) => form.push(byte),
                    _ => form.extend([b'%', digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]),
                }
            }
            Zeroizing::new(form)
        })
    };
    KEPT.iter().flat_map(forms).collect()
}

/// In hexadecimal digits, also wrapped as `xxd -p` does.
fn hex(text: &str) -> Vec<Form> {
    let lines = text.as_bytes().chunks(30).filter(|_| text.len() > 30);
    std::iter::once(text.as_bytes())
        .chain(lines)
        .flat_map(|bytes| {
            [b"0123456789abcdef", b"0123456789ABCDEF"].map(|digits| {
                let mut form = Vec::with_capacity(2 * bytes.len());
                form.extend(
                    bytes.iter().flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]),
                );
                Zeroizing::new(form)
            })
        })
        .collect()
}

/// In a JSON string: with what must be escaped alone, with all that is not ASCII, and with what pages must not hold.
fn json(text: &str) -> Vec<Form> {
    let more: [fn(char) -> bool; 3] = [|_| false, |c| !c.is_ascii(), |c| matches!(c, '<' | '>' | '&')];
    more.map(|more| {
        escape(text, |c, form| match c {
            '"' | '\\' => form.extend([b'\\', c as u8]),
            '\n' => form.extend(b"\\n"),
            '\r' => form.extend(b"\\r"),
            '\t' => form.extend(b"\\t"),
            _ if c.is_control() || more(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    form.extend(format!("\\u{unit:04x}").bytes());
                }
            }
            _ => plain(c, form),
        })
    })
    .into()
}

/// As a shell quotes it: in single quotes, in `$'…'`, and with backslashes.
fn shell(text: &str) -> Vec<Form> {
    let single = escape(text, |c, form| match c {
        '\'' => form.extend(b"'\\''"),
        _ => plain(c, form),
    });
    let dollar = escape(text, |c, form| match c {
        '\'' | '\\' => form.extend([b'\\', c as u8]),
        '\n' => form.extend(b"\\n"),
        '\r' => form.extend(b"\\r"),
        '\t' => form.extend(b"\\t"),
        _ => plain(c, form),
    });
    let backslashes = escape(text, |c, form| {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && !"_-./:=@%+".contains(c) {
            form.push(b'\\');
        }
        plain(c, form);
    });
    vec![single, dollar, backslashes]
}

/// A text character by character.
fn escape(text: &str, mut put: impl FnMut(char, &mut Vec<u8>)) -> Form {
    // The longest escape of all takes six bytes for one. With this room no piece of a secret stays behind in freed memory.
    let mut form = Vec::with_capacity(6 * text.len());
    text.chars().for_each(|c| put(c, &mut form));
    Zeroizing::new(form)
}

fn plain(c: char, form: &mut Vec<u8>) {
    form.extend(c.encode_utf8(&mut [0; 4]).bytes());
}

fn form(bytes: &[u8]) -> Form {
    Zeroizing::new(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(encoding: Encoding, text: &str) -> Vec<String> {
        encoding(text).iter().map(|form| String::from_utf8(form.to_vec()).unwrap()).collect()
    }

    #[test]
    fn base64_has_the_certain_part_for_each_place() {
        // "a" + "secret?>" + "b", encoded behind 0, 1 and 2 bytes: c2VjcmV0Pz4=, YXNlY3JldD8+, YWFzZWNyZXQ/Pg==
        let forms = texts(base64_anywhere, "secret?>");
        for expected in [
            "c2VjcmV0Pz",
            "c2VjcmV0Pz4",
            "c2VjcmV0Pz4=",
            "NlY3JldD8+",
            "NlY3JldD8-",
            "zZWNyZXQ/P",
            "zZWNyZXQ/Pg==",
            "zZWNyZXQ_Pg",
        ] {
            assert!(forms.iter().any(|form| form == expected), "{expected} in {forms:?}");
        }
    }

    #[test]
    fn other_encodings_are_as_tools_have_them() {
        for (encoding, text, expected) in [
            (
                percent as Encoding,
                "p w/d+ä~'",
                &[
                    "p%20w%2Fd%2B%C3%A4~%27",
                    "p+w%2fd%2b%c3%a4%7e%27",
                    "p%20w/d%2B%C3%A4~%27",
                    "p%20w%2Fd%2B%C3%A4~'",
                    "p%20w/d+%C3%A4~'",
                ][..],
            ),
            (hex, "az~\n", &["617a7e0a", "617A7E0A"]),
            (json, "a\"\\\n<ä𝄞", &["a\\\"\\\\\\n<ä𝄞", "a\\\"\\\\\\n<\\u00e4\\ud834\\udd1e", "a\\\"\\\\\\n\\u003cä𝄞"]),
            (shell, "a'b c\n$", &["a'\\''b c\n$", "a\\'b c\\n$", "a\\'b\\ c\\\n\\$"]),
        ] {
            let forms = texts(encoding, text);
            for expected in expected {
                assert!(forms.iter().any(|form| form == expected), "{expected} in {forms:?}");
            }
        }
    }

    #[test]
    fn long_texts_are_there_in_the_lines_of_their_tools() {
        let text = "0123456789".repeat(10);
        let base64 = texts(base64_in_lines, &text);
        assert!(
            base64.contains(&"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2".to_owned())
        );
        assert!(texts(base64_in_lines, "short").is_empty());
        assert!(texts(hex, &text).contains(&"303132333435363738393031323334353637383930313233343536373839".to_owned()));
    }
}
