//! What the tree of a commit may hold, judged as a whole before its first file is written.

use std::sync::atomic::{AtomicBool, Ordering};

use gix::Repository;
use gix::bstr::{BStr, ByteSlice};
use gix::index::entry::Mode;
use netbuild_core::model::{Failure, JobRules};

use super::error::{broken, refused};

/// The most bytes of a `.gitattributes` that is looked into.
const MAX_ATTRIBUTES_BYTES: u64 = 1 << 20;

/// Refuses a tree that is larger than the rules allow, that needs what the runner does not do, or whose paths lead
/// elsewhere than below the workspace.
pub(super) fn admit(
    repository: &Repository,
    index: &gix::index::State,
    rules: &JobRules,
    interrupt: &AtomicBool,
) -> Result<(), Failure> {
    let files = index.entries().len() as u64;
    if files > rules.source_files {
        let bound = rules.source_files;
        return Err(refused(format!("the commit has {files} files, and this host allows {bound} (source_files)")));
    }
    let mut left = rules.source_bytes;
    for entry in index.entries() {
        if interrupt.load(Ordering::Relaxed) {
            return Err(refused("interrupted".to_owned()));
        }
        let path = entry.path(index);
        admit_path(path)?;
        admit_place(index, path)?;
        // Submodules come from other repositories, which no rule has allowed.
        if entry.mode == Mode::COMMIT {
            return Err(refused(format!("{path}: submodules are not supported; commit their files instead")));
        }
        let size = repository.find_header(entry.id).map_err(|error| broken("a file of the commit", &error))?.size();
        left = left.checked_sub(size).ok_or_else(|| {
            let bound = rules.source_bytes;
            refused(format!("{path}: the commit's files have more bytes than the {bound} of this host (source_bytes)"))
        })?;
        if path.rsplit_once_str("/").map_or(path.as_bytes(), |(_, name)| name) == b".gitattributes"
            && size <= MAX_ATTRIBUTES_BYTES
        {
            let text = repository.find_object(entry.id).map_err(|error| broken("a file of the commit", &error))?;
            if asks_for_lfs(&text.data) {
                return Err(refused(format!(
                    "{path}: files are kept by Git LFS (`filter=lfs`), which is not supported; commit them as they are"
                )));
            }
        }
    }
    Ok(())
}

/// Refuses what Git itself never makes: parts that lead out of the workspace or into its repository, also as other
/// systems would read them.
fn admit_path(path: &BStr) -> Result<(), Failure> {
    for part in path.split_str("/") {
        let has_trick = part.is_empty() || part == b"." || part == b".." || is_git_folder(part) || part.contains(&0);
        if has_trick {
            return Err(refused(format!("{path:?}: a path of the commit that Git never makes")));
        }
    }
    Ok(())
}

/// Refuses a file below a path that is a file or a link itself: the file would be written to where the link leads.
fn admit_place(index: &gix::index::State, path: &BStr) -> Result<(), Failure> {
    let is_taken = |end: usize| index.entry_by_path(path[..end].as_bstr()).is_some();
    match path.find_iter("/").find(|&end| is_taken(end)) {
        Some(end) => Err(refused(format!("{path}: its folder {} is a file or a link too", path[..end].as_bstr()))),
        None => Ok(()),
    }
}

/// `.git` as a file system that ignores case, trailing dots and spaces, or invisible characters would read it.
fn is_git_folder(part: &[u8]) -> bool {
    let stream = part.split(|&byte| byte == b':').next().unwrap_or_default();
    let visible: String = stream.to_str_lossy().chars().filter(|c| !is_ignored(*c)).collect();
    let name = visible.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    name == ".git" || name == "git~1"
}

/// What HFS+ leaves out when it compares names.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

fn asks_for_lfs(attributes: &[u8]) -> bool {
    attributes.lines().any(|line| {
        !line.trim_start().starts_with(b"#") && line.fields().skip(1).any(|attribute| attribute == b"filter=lfs")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_workspace() {
        for fine in
            [&b"a"[..], b"a/b.git/c", b".github/x", b".gitignore", b"a/..b", b"\xff/\xfe", b"git", "größe".as_bytes()]
        {
            assert!(admit_path(fine.as_bstr()).is_ok(), "{:?}", fine.as_bstr());
        }
        let tricks = [
            "",
            "/a",
            "a//b",
            "a/",
            ".",
            "..",
            "a/../b",
            ".git/hooks/x",
            "a/.git",
            ".GIT/x",
            ".Git",
            ".git.",
            ".git ",
            ".git::$INDEX_ALLOCATION/x",
            "git~1/x",
            "GIT~1",
            ".g\u{200c}it/x",
            "a\0b",
        ];
        for trick in tricks {
            assert!(admit_path(trick.into()).is_err(), "{trick:?}");
        }
    }

    #[test]
    fn lfs_is_seen_where_it_is_asked_for() {
        assert!(asks_for_lfs(b"*.txt text\n*.bin filter=lfs diff=lfs merge=lfs -text\n"));
        for none in [&b"# *.bin filter=lfs"[..], b"*.bin -filter", b"filter=lfs text", b"* filter=lfsx", b""] {
            assert!(!asks_for_lfs(none), "{:?}", none.as_bstr());
        }
    }
}
