//! Objects as Git itself never makes them, and commits of them.

use gix::ObjectId;
use gix::objs::Kind;
use gix::prelude::Write;

use super::repository::Repository;

pub(crate) const FILE: &str = "100755";
pub(crate) const LINK: &str = "120000";
pub(crate) const TREE: &str = "40000";

/// Writes an object as it is, without Git's checks.
pub(crate) fn object(repository: &Repository, kind: Kind, content: &[u8]) -> ObjectId {
    let repository = gix::open_opts(repository.path(), gix::open::Options::isolated()).unwrap();
    repository.write_buf(kind, content).unwrap()
}

pub(crate) fn blob(repository: &Repository, content: &[u8]) -> ObjectId {
    object(repository, Kind::Blob, content)
}

pub(crate) fn tree(repository: &Repository, entries: &[(&str, &[u8], ObjectId)]) -> ObjectId {
    let mut content = Vec::new();
    for (mode, name, id) in entries {
        content.extend_from_slice(format!("{mode} ").as_bytes());
        content.extend_from_slice(name);
        content.push(0);
        content.extend_from_slice(id.as_bytes());
    }
    object(repository, Kind::Tree, &content)
}

/// A tree of one entry below `depth` folders of one name.
pub(crate) fn nested(repository: &Repository, name: &[u8], depth: usize) -> ObjectId {
    let file = blob(repository, b"deep");
    let lowest = tree(repository, &[(FILE, b"f", file)]);
    (0..depth).fold(lowest, |below, _| tree(repository, &[(TREE, name, below)]))
}

/// Lets branch `main` stand on a commit of what should be a tree.
pub(crate) fn stand_on(repository: &Repository, tree: ObjectId) {
    let who = "Ada <ada@git.example> 0 +0000";
    let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nmade\n");
    let commit = object(repository, Kind::Commit, text.as_bytes());
    // A file, for Git itself would look at the commit.
    std::fs::write(repository.git_dir().join("refs/heads/main"), format!("{commit}\n")).unwrap();
}

/// The file of an object that is not in a pack.
pub(crate) fn loose_file(repository: &Repository, id: ObjectId) -> std::path::PathBuf {
    let id = id.to_string();
    repository.git_dir().join("objects").join(&id[..2]).join(&id[2..])
}
