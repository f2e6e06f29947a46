//! A secret that a test gives away and then looks for everywhere.

use std::collections::HashSet;
use std::fmt::{self, Debug};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;

use crate::model::Digest;

/// How much of a canary in one piece is a leak, in bytes of the form in which it is found. Random bytes meet any of the
/// few thousand pieces of a canary by chance once in 2^80 places.
const PIECE: usize = 12;

/// A secret for one test, and the search for it: plain, in Base64 of both alphabets at every alignment, URL-encoded, in
/// JSON and in hexadecimal digits. A piece of 12 bytes of any form is a leak as well, so that half a secret is found too.
///
/// The search is written apart from the masking of logs on purpose, so that a form that one forgets the other may know.
///
/// ```
/// use netbuild_core::testkit::Canary;
///
/// let canary = Canary::new("the test's name");
/// canary.assert_absent("an error", "the token [REDACTED] is over");
/// assert!(canary.find(format!("password={}", canary.text())).is_some());
/// ```
pub struct Canary {
    text: String,
    /// Every piece of every form.
    pieces: HashSet<[u8; PIECE]>,
    /// The bytes with which a piece begins.
    begins: [bool; 256],
}

/// Where a canary was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The offset of the first piece.
    pub at: usize,
    /// What stands there.
    pub piece: String,
}

impl Canary {
    /// The canary of a test: equal names give equal canaries. It has characters that URLs, JSON and shells encode.
    pub fn new(test: &str) -> Self {
        let digest = Digest::of(format!("canary of {test}")).to_string();
        Self::of(format!("{}/+{} &\"={}", &digest[..16], &digest[16..32], &digest[32..48]))
    }

    /// A canary of a text that exists already: a token or a key, of 12 bytes or more.
    ///
    /// # Panics
    /// On a shorter one, which would be found by chance.
    pub fn of(secret: impl Into<String>) -> Self {
        let text = secret.into();
        assert!(text.len() >= PIECE, "a canary has {PIECE} bytes or more");
        let mut canary = Canary { pieces: HashSet::new(), begins: [false; 256], text };
        for form in forms(canary.text.as_bytes()).into_iter().chain(text_forms(&canary.text)) {
            canary.look_for(&form);
        }
        canary
    }

    /// A canary of a key that is bytes and no text, of 12 bytes or more.
    ///
    /// # Panics
    /// On a shorter one, which would be found by chance.
    pub fn of_bytes(key: &[u8]) -> Self {
        assert!(key.len() >= PIECE, "a canary has {PIECE} bytes or more");
        let mut canary = Canary { pieces: HashSet::new(), begins: [false; 256], text: String::new() };
        for form in forms(key) {
            canary.look_for(&form);
        }
        canary
    }

    fn look_for(&mut self, form: &[u8]) {
        for piece in form.windows(PIECE).filter_map(|piece| piece.try_into().ok()) {
            let piece: [u8; PIECE] = piece;
            self.begins[usize::from(piece[0])] = true;
            self.pieces.insert(piece);
        }
    }

    /// The secret, to be given away.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The secret as one.
    pub fn secret(&self) -> SecretString {
        SecretString::from(self.text.as_str())
    }

    /// The first place where it leaks.
    pub fn find(&self, bytes: impl AsRef<[u8]>) -> Option<Leak> {
        let leaks = |piece: &[u8]| {
            let piece: &[u8; PIECE] = piece.try_into().ok()?;
            (self.begins[usize::from(piece[0])] && self.pieces.contains(piece)).then_some(*piece)
        };
        let mut pieces = bytes.as_ref().windows(PIECE).enumerate();
        pieces.find_map(|(at, piece)| Some(Leak { at, piece: leaks(piece)?.escape_ascii().to_string() }))
    }

    /// # Panics
    /// When it is in there. `what` says what that is, for the message.
    pub fn assert_absent(&self, what: &str, bytes: impl AsRef<[u8]>) {
        if let Some(Leak { at, piece }) = self.find(bytes) {
            panic!("the canary is in {what}: {piece:?} at byte {at}");
        }
    }

    /// # Panics
    /// When `Debug`, in one line or in many, shows it.
    pub fn assert_absent_in_debug(&self, what: &str, value: &dyn Debug) {
        self.assert_absent(what, format!("{value:?}"));
        self.assert_absent(what, format!("{value:#?}"));
    }

    /// Every file in a folder that holds it, and every path and link target that does, without what `skip` says. It
    /// follows no links. Files that vanish while it looks hold nothing.
    ///
    /// # Panics
    /// When something cannot be read: what was not looked at is not known to be clean.
    pub fn find_in_folder(&self, folder: &Path, skip: &dyn Fn(&Path) -> bool) -> Vec<(PathBuf, Leak)> {
        let mut found = Vec::new();
        self.search(folder, folder, skip, &mut found);
        found
    }

    /// # Panics
    /// When [`find_in_folder`](Self::find_in_folder) finds something.
    pub fn assert_absent_in_folder(&self, folder: &Path, skip: &dyn Fn(&Path) -> bool) {
        let found = self.find_in_folder(folder, skip);
        assert!(found.is_empty(), "the canary is in {found:#?}");
    }

    fn search(&self, root: &Path, path: &Path, skip: &dyn Fn(&Path) -> bool, found: &mut Vec<(PathBuf, Leak)>) {
        if skip(path) {
            return;
        }
        let name = path.strip_prefix(root).unwrap_or(path);
        let in_name = self.find(name.as_os_str().as_encoded_bytes());
        found.extend(in_name.map(|leak| (path.to_owned(), leak)));
        let Some(kind) = there(path, fs::symlink_metadata(path)).map(|metadata| metadata.file_type()) else { return };
        if kind.is_dir() {
            for entry in there(path, fs::read_dir(path)).into_iter().flatten() {
                if let Some(entry) = there(path, entry) {
                    self.search(root, &entry.path(), skip, found);
                }
            }
            return;
        }
        let content = if kind.is_symlink() {
            fs::read_link(path).map(|target| target.into_os_string().into_encoded_bytes())
        } else if kind.is_file() {
            fs::read(path)
        } else {
            // A pipe or a socket keeps nothing.
            return;
        };
        let leak = there(path, content).and_then(|content| self.find(content));
        found.extend(leak.map(|leak| (path.to_owned(), leak)));
    }
}

/// What was read, unless it vanished meanwhile.
fn there<T>(path: &Path, read: io::Result<T>) -> Option<T> {
    match read {
        Ok(content) => Some(content),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{} cannot be looked at: {error}", path.display()),
    }
}

impl Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canary([REDACTED])")
    }
}

/// The forms of bytes.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![bytes.to_vec(), hex.to_uppercase().into(), hex.into()];
    for before in 0..3 {
        // Other bytes before: the letters that hold their bits are not the secret's.
        let shifted = [&[0; 2][..before], bytes].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let letters = engine.encode(&shifted).into_bytes();
            forms.push(letters[[0, 2, 3][before]..shifted.len() * 4 / 3].to_vec());
        }
    }
    forms
}

/// The forms of a text beside those of its bytes.
fn text_forms(text: &str) -> Vec<Vec<u8>> {
    let url = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let json = serde_json::Value::from(text).to_string();
    let form = url.replace("%20", "+");
    [url.to_lowercase(), form, url, json[1..json.len() - 1].to_owned()].map(String::into_bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canary() -> Canary {
        Canary::new("canary")
    }

    #[test]
    fn it_is_found_in_every_form_and_in_part() {
        let canary = canary();
        let text = canary.text();
        let hex: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
        let mut leaks = vec![
            text.to_owned(),
            text[3..15].to_owned(),
            hex,
            format!("{text:?}"),
            serde_json::to_string(&serde_json::json!({ "a": [text] })).unwrap(),
            text.replace('/', "%2F").replace('+', "%2B").replace(' ', "%20").replace('&', "%26"),
        ];
        for around in ["", "a", "ab", "abc"] {
            let bytes = format!("{around}{text}{around}");
            leaks.extend([STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)]);
        }
        for leak in leaks {
            assert!(canary.find(format!("before {leak} after")).is_some(), "{leak}");
        }
    }

    #[test]
    fn what_is_not_it_is_not_found() {
        let canary = canary();
        canary.assert_absent("a short piece", &canary.text()[..PIECE - 1]);
        canary.assert_absent("another", Canary::new("another").text());
        canary.assert_absent("code", include_str!("canary.rs"));
        canary.assert_absent_in_debug("itself", &canary);
    }

    #[test]
    #[should_panic(expected = "the canary is in an error")]
    fn what_holds_it_fails_the_test() {
        canary().assert_absent("an error", format!("wrong password {}", canary().text()));
    }

    #[test]
    fn folders_are_searched_to_their_last_name() {
        let (canary, folder) = (canary(), tempfile::tempdir().unwrap());
        let name = URL_SAFE_NO_PAD.encode(canary.text());
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        fs::write(folder.path().join("work/mine"), canary.text()).unwrap();
        fs::write(deep.join("clean"), "nothing").unwrap();
        let skip = |path: &Path| path.ends_with("work");
        canary.assert_absent_in_folder(folder.path(), &skip);
        fs::write(deep.join("file"), [b"\0\xff", canary.text().as_bytes()].concat()).unwrap();
        fs::write(deep.join(&name), "").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&name, folder.path().join("link")).unwrap();
        let found = canary.find_in_folder(folder.path(), &skip);
        let names: HashSet<_> = found.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, HashSet::from(["file", &name, "link"]));
    }
}
