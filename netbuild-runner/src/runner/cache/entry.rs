//! What an archive may hold, as plain decisions over names, kinds and sizes.

use netbuild_core::model::{CachePath, JobRules};

use super::error::{Refused, Why};
use super::link::Target;

/// The longest path within an archive, in bytes, as Linux has it.
const MAX_PATH_BYTES: usize = 4096;

/// The longest name, in bytes, as file systems have it.
const MAX_NAME_BYTES: usize = 255;

/// The most names in a path. Every folder on the way is held open while its content is read or written.
const MAX_DEPTH: usize = 128;

/// How much an archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most entries, folders and links included.
    pub files: u64,
    /// The most bytes of files, unpacked.
    pub bytes: u64,
}

impl From<&JobRules> for Bounds {
    fn from(rules: &JobRules) -> Self {
        Bounds { files: rules.cache_files, bytes: rules.cache_bytes }
    }
}

/// An entry of an archive, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The root of its folder as [`root_name`] has it, and the path below, with `/` between the names.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    /// When it was modified, in seconds since 1970. Build tools compare these.
    pub(super) modified: u64,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File {
        bytes: u64,
        executable: bool,
    },
    /// A symbolic link.
    Link(Target),
    /// A second name of a file that came before, with the path of the first.
    HardLink(Vec<u8>),
}

/// The name in an archive of the folder at `index` of its header.
pub(super) fn root_name(index: usize) -> String {
    format!("{index:03}")
}

/// The names of a path.
pub(super) fn names(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
}

/// Admits one entry after the other: in the order of a walk, and within bounds.
#[derive(Debug)]
pub(super) struct Admission {
    bounds: Bounds,
    folders: Vec<CachePath>,
    files: u64,
    bytes: u64,
    /// The names of the entry before.
    last: Vec<Vec<u8>>,
    last_is_folder: bool,
}

impl Admission {
    /// Nothing is admitted yet into an archive of these folders.
    pub(super) fn new(bounds: Bounds, folders: &[CachePath]) -> Self {
        Admission { bounds, folders: folders.to_vec(), files: 0, bytes: 0, last: Vec::new(), last_is_folder: true }
    }

    /// Entries so far.
    pub(super) fn files(&self) -> u64 {
        self.files
    }

    /// Bytes of their content.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Admits the next entry and tells how many folders lead to it.
    ///
    /// # Errors
    /// [`Refused`]; then the archive is of no use.
    pub(super) fn admit(&mut self, entry: &Entry) -> Result<usize, Refused> {
        self.decide(entry).map_err(|why| self.refused(&entry.path, why))
    }

    /// A refusal of the entry at `path`.
    pub(super) fn refused(&self, path: &[u8], why: Why) -> Refused {
        Refused { path: self.shown(path), why }
    }

    /// A path for people: with the folder's own name in front.
    pub(super) fn shown(&self, path: &[u8]) -> String {
        let root = names(path).next().unwrap_or_default();
        match self.root(root) {
            Some(folder) => shown(&[folder.to_string().as_bytes(), &path[root.len()..]].concat()),
            None => shown(path),
        }
    }

    fn decide(&mut self, entry: &Entry) -> Result<usize, Why> {
        let path = checked(&entry.path)?;
        let depth = path.len() - 1;
        if !self.is_next(&path) {
            return Err(Why::Order);
        }
        self.root(path[0]).ok_or(Why::Path)?;
        if depth == 0 && entry.kind != Kind::Folder {
            return Err(Why::Kind);
        }
        match &entry.kind {
            Kind::Folder | Kind::File { .. } | Kind::Link(_) => {}
            Kind::HardLink(first) => {
                let first = checked(first)?;
                if first.len() < 2 || first >= path || self.root(first[0]).is_none() {
                    return Err(Why::HardLink);
                }
            }
        }
        self.count(&entry.kind)?;
        self.last = path.into_iter().map(<[u8]>::to_vec).collect();
        self.last_is_folder = entry.kind == Kind::Folder;
        Ok(depth)
    }

    /// Whether a walk that was at the last entry can come to `path` next.
    fn is_next(&self, path: &[&[u8]]) -> bool {
        let depth = path.len() - 1;
        let same_folder = self.last.len() >= depth && self.last[..depth] == path[..depth];
        match self.last.get(depth) {
            Some(sibling) => same_folder && sibling.as_slice() < path[depth],
            None => same_folder && self.last_is_folder,
        }
    }

    /// The folder whose root has that name.
    fn root(&self, name: &[u8]) -> Option<&CachePath> {
        let index: usize = std::str::from_utf8(name).ok()?.parse().ok()?;
        self.folders.get(index).filter(|_| root_name(index).as_bytes() == name)
    }

    fn count(&mut self, kind: &Kind) -> Result<(), Why> {
        self.files = self.files.saturating_add(1);
        if let Kind::File { bytes, .. } = kind {
            self.bytes = self.bytes.saturating_add(*bytes);
        }
        if self.files > self.bounds.files {
            return Err(Why::Files(self.bounds.files));
        }
        if self.bytes > self.bounds.bytes {
            return Err(Why::Bytes(self.bounds.bytes));
        }
        Ok(())
    }
}

/// The names of a path, when they are names that a folder can hold.
fn checked(path: &[u8]) -> Result<Vec<&[u8]>, Why> {
    let plain = |name: &&[u8]| !matches!(*name, b"" | b"." | b"..") && name.len() <= MAX_NAME_BYTES;
    if path.len() > MAX_PATH_BYTES || path.contains(&0) {
        return Err(Why::Path);
    }
    let names: Vec<_> = names(path).collect();
    if names.len() > MAX_DEPTH || !names.iter().all(plain) { Err(Why::Path) } else { Ok(names) }
}

/// A path for people: on one line, and not too long.
pub(super) fn shown(path: &[u8]) -> String {
    const MOST: usize = 200;
    let text = String::from_utf8_lossy(path).escape_debug().to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: Kind) -> Entry {
        Entry { path: path.as_bytes().to_vec(), kind, modified: 0 }
    }

    fn file(path: &str) -> Entry {
        entry(path, Kind::File { bytes: 10, executable: false })
    }

    fn folder(path: &str) -> Entry {
        entry(path, Kind::Folder)
    }

    fn link(path: &str, text: &str) -> Entry {
        entry(path, Kind::Link(Target::Text(text.as_bytes().to_vec())))
    }

    fn hard(path: &str, first: &str) -> Entry {
        entry(path, Kind::HardLink(first.as_bytes().to_vec()))
    }

    /// Admits entries into an archive of `node_modules` and `~/.cargo/registry`.
    fn admit(bounds: Bounds, entries: &[Entry]) -> Result<Vec<usize>, Why> {
        let folders = ["node_modules", "~/.cargo/registry"].map(|path| CachePath::parse(path).unwrap());
        let mut admission = Admission::new(bounds, &folders);
        entries.iter().map(|entry| admission.admit(entry)).collect::<Result<_, _>>().map_err(|refused| refused.why)
    }

    const WIDE: Bounds = Bounds { files: 1_000, bytes: 1_000 };

    #[test]
    fn a_walk_is_admitted_with_the_depth_of_each_entry() {
        let walk = [
            folder("000"),
            folder("000/a"),
            file("000/a/x"),
            file("000/a/y"),
            folder("000/a.b"),
            hard("000/a.b/z", "000/a/x"),
            link("000/b", "a/x"),
            folder("001"),
            file("001/a"),
            hard("001/b", "000/a/x"),
        ];
        assert_eq!(admit(WIDE, &walk), Ok(vec![0, 1, 2, 2, 1, 2, 1, 0, 1, 1]));
        assert_eq!(admit(WIDE, &[folder("001"), file("001/a")]), Ok(vec![0, 1]), "a folder may be missing");
    }

    #[test]
    fn what_no_walk_comes_to_is_refused() {
        let table = [
            ("twice", vec![folder("000"), file("000/a"), file("000/a")]),
            ("a folder twice", vec![folder("000"), folder("000/a"), folder("000/a")]),
            ("backwards", vec![folder("000"), file("000/b"), file("000/a")]),
            ("back into a folder", vec![folder("000"), folder("000/a"), file("000/b"), file("000/a/x")]),
            ("below a link", vec![folder("000"), link("000/a", "b"), file("000/a/x")]),
            ("below a file", vec![folder("000"), file("000/a"), file("000/a/x")]),
            ("below nothing", vec![folder("000"), file("000/a/x")]),
            ("a root twice", vec![folder("001"), folder("000")]),
        ];
        for (what, entries) in table {
            assert_eq!(admit(WIDE, &entries), Err(Why::Order), "{what}");
        }
    }

    #[test]
    fn paths_that_lead_anywhere_else_are_refused() {
        let long_name = format!("000/{}", "x".repeat(256));
        let long_path = format!("000/{}", "x/".repeat(64 * 1024));
        for path in ["", "/", "/etc", "000/", "000/../a", "000/./a", "000//a", "000/a\0", &long_name, &long_path] {
            assert_eq!(admit(WIDE, &[folder("000"), file(path)]), Err(Why::Path), "{path:.80}");
        }
        for root in ["..", "002", "0", "+00", "0000", "a"] {
            assert_eq!(admit(WIDE, &[folder(root)]), Err(Why::Path), "{root}");
        }
        for root in [file("000"), link("000", "x"), hard("001", "000/x")] {
            assert_eq!(admit(WIDE, &[root]), Err(Why::Kind));
        }
        let deepest = vec!["000"; MAX_DEPTH].join("/");
        let deep: Vec<_> = (1..=MAX_DEPTH).map(|length| folder(&deepest[..length * 4 - 1])).collect();
        assert_eq!(admit(WIDE, &deep).map(|depths| depths.len()), Ok(MAX_DEPTH));
        let deeper = [deep, vec![folder(&format!("{deepest}/a"))]].concat();
        assert_eq!(admit(WIDE, &deeper), Err(Why::Path));
    }

    #[test]
    fn second_names_are_of_files_before_them() {
        for first in ["000/b", "000/c", "000", "001/a", "002/a", "x"] {
            let walk = [folder("000"), file("000/a"), hard("000/b", first)];
            assert_eq!(admit(WIDE, &walk), Err(Why::HardLink), "{first}");
        }
        assert_eq!(admit(WIDE, &[folder("000"), hard("000/b", "000/../a")]), Err(Why::Path));
    }

    #[test]
    fn bounds_count_all_entries_together() {
        let walk = [folder("000"), file("000/a"), file("000/b")];
        assert!(admit(Bounds { files: 3, bytes: 20 }, &walk).is_ok());
        assert_eq!(admit(Bounds { files: 2, bytes: 20 }, &walk), Err(Why::Files(2)));
        assert_eq!(admit(Bounds { files: 3, bytes: 19 }, &walk), Err(Why::Bytes(19)));
        let huge = entry("000/c", Kind::File { bytes: u64::MAX, executable: false });
        assert_eq!(admit(WIDE, &[folder("000"), file("000/a"), huge]), Err(Why::Bytes(1_000)));
    }

    #[test]
    fn paths_are_shown_on_one_short_line() {
        assert_eq!(shown(b"a\n\xff\x1b[31m"), "a\\n\u{fffd}\\u{1b}[31m");
        assert_eq!(shown(&[b'x'; 4096]).chars().count(), 201);
    }
}
