//! A walk through the tree of a commit that judges it as a whole, before anything is made of it.
//!
//! A few small objects can name each other so often that a commit has more files than any disk. So the walk holds no more
//! than the folders from the root to where it stands, knows an object's size before it reads it, and ends at the first
//! bound.

use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};

use gix::bstr::ByteSlice;
use gix::objs::{Kind, TreeRefIter};
use gix::{ObjectId, Repository};
use netbuild_core::model::{Failure, JobRules};

use super::error::{refused, unreadable};
use super::tree_rules::{self, Entry, MAX_TARGET};

/// The most folders in each other. Git itself stops at 2,048, and what people make is far below a hundred.
const MAX_DEPTH: usize = 1000;

/// The most bytes of the lists of folders that are in each other: 64 MiB, which is more than a million names.
const MAX_LISTS_BYTES: u64 = 64 << 20;

/// The most bytes of all paths together, which the index holds in memory: 128 MiB, 256 for each of 500,000 files.
const MAX_PATHS_BYTES: usize = 128 << 20;

/// The longest path that the system takes, in bytes: `PATH_MAX` less the zero at its end.
const MAX_PATH: usize = 4095;

/// The most bytes of a `.gitattributes` that is looked into.
const MAX_ATTRIBUTES_BYTES: u64 = 1 << 20;

/// Refuses a tree that is larger than the rules allow, that needs what the runner does not do, that no disk can hold, or
/// whose paths lead elsewhere than below the workspace.
pub(super) fn admit(
    repository: &Repository,
    tree: ObjectId,
    rules: &JobRules,
    interrupt: &AtomicBool,
) -> Result<(), Failure> {
    let mut walk = Walk {
        repository,
        rules,
        path: Vec::new(),
        folders: Vec::new(),
        lists_bytes: 0,
        paths_bytes: 0,
        folders_seen: 0,
        files_seen: 0,
        bytes_left: rules.source_bytes,
    };
    walk.enter(tree)?;
    while !interrupt.load(Ordering::Relaxed) {
        let Some(folder) = walk.folders.last_mut() else { return Ok(()) };
        match folder.next() {
            Some((name, mode, id)) => {
                walk.path.truncate(folder.path_bytes);
                walk.path.extend_from_slice(&name);
                let judged = tree_rules::entry(mode).map_err(|why| walk.refused(&why))?;
                walk.judge(judged, id)?;
            }
            None => walk.leave(),
        }
    }
    Err(refused("interrupted".to_owned()))
}

struct Walk<'a> {
    repository: &'a Repository,
    rules: &'a JobRules,
    /// Where the walk stands.
    path: Vec<u8>,
    /// From the root to where the walk stands.
    folders: Vec<Folder>,
    /// The bytes of their lists.
    lists_bytes: u64,
    paths_bytes: usize,
    folders_seen: u64,
    files_seen: u64,
    bytes_left: u64,
}

/// A folder whose list is being read.
struct Folder {
    list: Vec<u8>,
    /// How much of the list is read.
    read: usize,
    /// The bytes of its path, with the slash.
    path_bytes: usize,
}

impl Folder {
    fn next(&mut self) -> Option<(Vec<u8>, gix::objs::tree::EntryMode, ObjectId)> {
        let list = &self.list[self.read..];
        let mut entries = TreeRefIter::from_bytes(list, gix::hash::Kind::Sha1);
        // The list as a whole was read once already.
        let entry = entries.next()?.ok()?;
        self.read += entries.offset_to_next_entry(list);
        Some((entry.filename.to_vec(), entry.mode, entry.oid.to_owned()))
    }
}

impl Walk<'_> {
    /// Judges what is at the path.
    fn judge(&mut self, entry: Entry, id: ObjectId) -> Result<(), Failure> {
        let work = self.repository.workdir().map_or(0, |work| work.as_os_str().as_bytes().len() + 1);
        if work + self.path.len() > MAX_PATH {
            return Err(self.refused("its path is longer than the system takes"));
        }
        if entry == Entry::Folder {
            return self.enter(id);
        }
        self.files_seen += 1;
        if self.files_seen > self.rules.source_files {
            let bound = self.rules.source_files;
            return Err(
                self.refused(&format!("the commit has more files than the {bound} of this host (source_files)"))
            );
        }
        self.paths_bytes += self.path.len();
        if self.paths_bytes > MAX_PATHS_BYTES {
            return Err(self.refused("the paths of the commit's files are too long together"));
        }
        let size = self.size(id, Kind::Blob)?;
        self.bytes_left = self.bytes_left.checked_sub(size).ok_or_else(|| {
            let bound = self.rules.source_bytes;
            self.refused(&format!("the commit's files have more bytes than the {bound} of this host (source_bytes)"))
        })?;
        match entry {
            Entry::Link => self.judge_link(id, size),
            _ => self.judge_attributes(id, size),
        }
    }

    fn judge_link(&self, id: ObjectId, size: u64) -> Result<(), Failure> {
        if size > MAX_TARGET {
            return Err(self.refused("a link whose target is longer than the system takes"));
        }
        tree_rules::admit_target(&self.read(id)?).map_err(|why| self.refused(&why))
    }

    fn judge_attributes(&self, id: ObjectId, size: u64) -> Result<(), Failure> {
        let is_one = self.path.rsplit(|&byte| byte == b'/').next() == Some(b".gitattributes");
        if is_one && size <= MAX_ATTRIBUTES_BYTES && tree_rules::asks_for_lfs(&self.read(id)?) {
            return Err(self
                .refused("files are kept by Git LFS (`filter=lfs`), which is not supported; commit them as they are"));
        }
        Ok(())
    }

    /// Goes into the folder at the path.
    fn enter(&mut self, id: ObjectId) -> Result<(), Failure> {
        self.folders_seen += 1;
        if self.folders_seen > self.rules.source_files {
            let bound = self.rules.source_files;
            return Err(
                self.refused(&format!("the commit has more folders than the {bound} of this host (source_files)"))
            );
        }
        if self.folders.len() > MAX_DEPTH {
            return Err(self.refused(&format!("more than {MAX_DEPTH} folders in each other")));
        }
        self.lists_bytes += self.size(id, Kind::Tree)?;
        if self.lists_bytes > MAX_LISTS_BYTES {
            return Err(self.refused("the folder and those around it list too much"));
        }
        let list = self.read(id)?;
        let mut names = Vec::new();
        for entry in TreeRefIter::from_bytes(&list, gix::hash::Kind::Sha1) {
            let name = entry.map_err(|error| unreadable(&self.place(), &error))?.filename;
            tree_rules::admit_name(name).map_err(|why| self.refused(&why))?;
            names.push(name.as_bytes());
        }
        tree_rules::admit_unique(names.into_iter()).map_err(|why| self.refused(&why))?;
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.folders.push(Folder { list, read: 0, path_bytes: self.path.len() });
        Ok(())
    }

    /// Goes out of the folder where it stands.
    fn leave(&mut self) {
        let left = self.folders.pop();
        self.lists_bytes -= left.map_or(0, |folder| folder.list.len() as u64);
    }

    /// The bytes of an object, which is read no further than that.
    fn size(&self, id: ObjectId, kind: Kind) -> Result<u64, Failure> {
        let header = self.repository.find_header(id).map_err(|error| unreadable(&self.place(), &error))?;
        if header.kind() != kind {
            return Err(self.refused(&format!("the object {id} is a {}, where a {kind} must be", header.kind())));
        }
        match (header.size(), self.rules.source_object_bytes) {
            (size, bound) if size > bound => {
                Err(self.refused(&format!("it has {size} bytes, and this host allows {bound} (source_object_bytes)")))
            }
            (size, _) => Ok(size),
        }
    }

    /// An object whose size is known.
    fn read(&self, id: ObjectId) -> Result<Vec<u8>, Failure> {
        let object = self.repository.find_object(id).map_err(|error| unreadable(&self.place(), &error))?;
        let mut data = object.detach().data;
        // It was the room to put the object together, too.
        data.shrink_to_fit();
        Ok(data)
    }

    fn refused(&self, why: &str) -> Failure {
        refused(format!("{}: {why}", self.place()))
    }

    /// Where the walk stands, for people.
    fn place(&self) -> String {
        match self.path.trim_end_with(|c| c == '/') {
            b"" => "the commit's tree".to_owned(),
            path => shown(path),
        }
    }
}

/// A path as a text of bounded length, and without control characters.
fn shown(path: &[u8]) -> String {
    const MAX_SHOWN: usize = 200;
    let text = path.to_str_lossy();
    let mut chars = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    let mut shown: String = chars.by_ref().take(MAX_SHOWN).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use gix::prelude::Write;

    use super::*;
    use crate::runner::fetch::checkout;

    #[test]
    fn an_interrupt_ends_the_walk() {
        let (folder, rules) = (tempfile::tempdir().unwrap(), JobRules::default());
        let repository = checkout::workspace(&folder.path().join("work"), &rules).unwrap();
        let file = repository.write_buf(Kind::Blob, b"text").unwrap();
        let list = [b"100644 a\0", file.as_bytes()].concat();
        let tree = repository.write_buf(Kind::Tree, &list).unwrap();
        let judged = |interrupt| admit(&repository, tree, &rules, &AtomicBool::new(interrupt));
        assert_eq!(judged(false), Ok(()));
        assert!(judged(true).unwrap_err().evidence.contains("interrupted"));
    }

    #[test]
    fn a_path_is_shown_short_and_without_control_characters() {
        assert_eq!(shown(b"a\x1b[31m/b\n"), "a\u{fffd}[31m/b\u{fffd}");
        assert_eq!(shown("ä".repeat(300).as_bytes()), "ä".repeat(200) + "…");
    }
}
