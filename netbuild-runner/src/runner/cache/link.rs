//! Where symbolic links lead, as an archive keeps it.
//!
//! A link is text to the runner: it writes and reads the text and never goes where it leads, and neither does anything else
//! of it. So a link may lead anywhere, as in any source: the virtual environments of Python have one to the interpreter of
//! the image. What follows it is the command, which can only reach what its user can.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf, absolute};

use netbuild_core::model::CachePlace;

use super::caches::Places;

/// The longest text of a link, in bytes, as Linux has it.
const MAX_TEXT_BYTES: usize = 4095;

/// The longest path of a link into a place, in bytes: with that of any attempt's place before it, it is still a link's text.
const MAX_INSIDE_BYTES: usize = 2048;

/// How an archive begins a link into each place. No text that is kept as it is begins with two slashes.
const INSIDE: [(CachePlace, &[u8]); 2] = [(CachePlace::Work, b"//work"), (CachePlace::Home, b"//home")];

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Into workspace or home by an absolute path, whose part below the place this is. Each attempt has other paths, so the
    /// link is made anew for each.
    Inside(CachePlace, Vec<u8>),
    /// Where this text leads. A relative one between workspace and home holds in each attempt, as they lie side by side.
    Text(Vec<u8>),
}

/// The absolute paths of workspace and home.
#[derive(Clone, Debug)]
pub(super) struct Roots(Vec<(CachePlace, PathBuf)>);

impl Roots {
    /// As the command is told them, and as the system has them where links lead to them.
    pub(super) fn new(places: &Places) -> Self {
        let of = |(place, _)| {
            let path = places.of(place);
            // A command may have removed its home, and without a current folder a relative path has no absolute one.
            [absolute(path).ok(), path.canonicalize().ok()].into_iter().flatten().map(move |path| (place, path))
        };
        Roots(INSIDE.into_iter().flat_map(of).collect())
    }

    fn of(&self, wanted: CachePlace) -> Option<&Path> {
        self.0.iter().find(|(place, _)| *place == wanted).map(|(_, path)| path.as_path())
    }
}

impl Target {
    /// Where a link with this text leads in an attempt.
    pub(super) fn of(text: &[u8], roots: &Roots) -> Self {
        let inside = |(place, root): &(CachePlace, PathBuf)| {
            let path = below(text, root.as_os_str().as_bytes())?;
            (path.len() <= MAX_INSIDE_BYTES).then(|| Target::Inside(*place, path.to_vec()))
        };
        roots.0.iter().find_map(inside).unwrap_or_else(|| {
            let slashes = text.iter().take_while(|&&byte| byte == b'/').count();
            Target::Text(text[slashes.saturating_sub(1)..].to_vec())
        })
    }

    /// The link's text in an attempt.
    pub(super) fn text(&self, roots: &Roots) -> Vec<u8> {
        match self {
            Target::Inside(place, path) => match roots.of(*place) {
                Some(root) => joined(root.as_os_str().as_bytes(), path),
                None => self.encode(),
            },
            Target::Text(text) => text.clone(),
        }
    }

    /// As an archive has it.
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Target::Inside(place, path) => {
                INSIDE.iter().find(|(of, _)| of == place).map(|(_, root)| joined(root, path)).unwrap_or_default()
            }
            Target::Text(text) => text.clone(),
        }
    }

    /// From an archive; `None` when no runner has written that.
    pub(super) fn decode(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.contains(&0) {
            None
        } else if text.starts_with(b"//") {
            let inside = |&(place, root): &(_, &[u8])| Some(Target::Inside(place, below(text, root)?.to_vec()));
            INSIDE.iter().find_map(inside).filter(|_| text.len() <= b"//work/".len() + MAX_INSIDE_BYTES)
        } else {
            (text.len() <= MAX_TEXT_BYTES).then(|| Target::Text(text.to_vec()))
        }
    }
}

/// What a path has below a root: nothing for the root itself, `None` when it is not there.
fn below<'a>(path: &'a [u8], root: &[u8]) -> Option<&'a [u8]> {
    match path.strip_prefix(root)? {
        b"" => Some(b""),
        rest => rest.strip_prefix(b"/"),
    }
}

fn joined(root: &[u8], path: &[u8]) -> Vec<u8> {
    if path.is_empty() { root.to_vec() } else { [root, b"/", path].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(folder: &str) -> Roots {
        let root = |place, name: &str| (place, PathBuf::from(format!("{folder}/{name}")));
        Roots(vec![
            root(CachePlace::Work, "work"),
            root(CachePlace::Work, "real/work"),
            root(CachePlace::Home, "home"),
            root(CachePlace::Home, "real/home"),
        ])
    }

    #[test]
    fn a_link_leads_to_the_same_place_in_another_attempt() {
        let table = [
            ("/a/1/home/.tool/v1", "//home/.tool/v1", "/b/2/home/.tool/v1"),
            ("/a/1/real/home/.tool/v1", "//home/.tool/v1", "/b/2/home/.tool/v1"),
            ("/a/1/work/../work/x", "//work/../work/x", "/b/2/work/../work/x"),
            ("/a/1/work", "//work", "/b/2/work"),
            ("/a/1/work/", "//work", "/b/2/work"),
            ("/a/1/homeless", "/a/1/homeless", "/a/1/homeless"),
            ("/usr/bin/python3", "/usr/bin/python3", "/usr/bin/python3"),
            ("//home/somebody", "/home/somebody", "/home/somebody"),
            ("///", "/", "/"),
            ("../../work/x", "../../work/x", "../../work/x"),
            ("python3", "python3", "python3"),
        ];
        for (text, kept, remade) in table {
            let target = Target::of(text.as_bytes(), &roots("/a/1"));
            assert_eq!(String::from_utf8(target.encode()).unwrap(), kept);
            assert_eq!(Target::decode(&target.encode()), Some(target.clone()), "{text}");
            assert_eq!(String::from_utf8(target.text(&roots("/b/2"))).unwrap(), remade, "{text}");
        }
    }

    #[test]
    fn every_text_that_a_link_can_have_is_kept() {
        for length in [1, 2047, 2048, 2049, 4000, 4095 - "/a/1/home/".len()] {
            for text in ["x".repeat(length), format!("/a/1/home/{}", "x".repeat(length))] {
                let target = Target::of(text.as_bytes(), &roots("/a/1"));
                assert_eq!(Target::decode(&target.encode()).as_ref(), Some(&target), "{length}");
                assert_eq!(target.text(&roots("/a/1")), text.as_bytes());
            }
        }
    }

    #[test]
    fn what_no_runner_writes_is_none() {
        let long = format!("//work/{}", "x".repeat(2049));
        for text in ["", "a\0b", "//", "//etc/passwd", "//workshop", "///work/x", &"x".repeat(4096), &long] {
            assert_eq!(Target::decode(text.as_bytes()), None, "{text:.40}");
        }
    }
}
