//! The site as two commits of a bare repository, written without a `git` program.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use gix::ObjectId;
use gix::objs::tree::{Entry, EntryKind};
use netbuild_core::model::Revision;

use super::pages::{State, files};

/// The site's repository.
#[derive(Clone, Debug)]
pub struct Site {
    path: PathBuf,
    commits: [ObjectId; 2],
}

/// Why the site's repository could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// A folder could not be made or moved to its place.
    #[error("cannot make the folder of the site's repository in {}: is it writable?", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    /// The repository was refused.
    #[error("cannot write the site's repository in {}: remove the folder if something else is in it", .0.display())]
    Repository(PathBuf, #[source] Box<dyn Error + Send + Sync>),
}

impl Site {
    /// Makes the repository `site.git` in a folder, or completes the one that an earlier call left there: the same
    /// folder always ends up with the same commits, wherever an earlier process was killed.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn create(folder: &Path) -> Result<Self, SiteError> {
        let path = folder.join("site.git");
        if !path.exists() {
            init(folder, &path)?;
        }
        let commits = write(&path).map_err(|source| SiteError::Repository(path.clone(), source))?;
        Ok(Site { path, commits })
    }

    /// Where the repository is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its two commits, the older first.
    pub fn revisions(&self) -> [Revision; 2] {
        self.commits.map(|id| Revision::Commit(id.to_string()))
    }
}

/// A repository appears whole or not at all: it is made beside its place and renamed.
fn init(folder: &Path, path: &Path) -> Result<(), SiteError> {
    let failed = |error| SiteError::Folder(folder.to_owned(), error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let beside = tempfile::Builder::new().prefix("site.git.").tempdir_in(folder).map_err(failed)?;
    let (kind, options) = (gix::create::Kind::Bare, gix::create::Options::default());
    gix::ThreadSafeRepository::init_opts(beside.path(), kind, options, gix::open::Options::isolated())
        .map_err(|error| SiteError::Repository(path.to_owned(), error.into()))?;
    std::fs::rename(beside.keep(), path).map_err(failed)
}

fn write(path: &Path) -> Result<[ObjectId; 2], Box<dyn Error + Send + Sync>> {
    let repository = gix::open_opts(path, gix::open::Options::isolated())?;
    let first = write_commit(&repository, State::First, "Field notes", 1_700_000_000, None)?;
    let second = write_commit(&repository, State::Second, "Revise notes and add one", 1_700_003_600, Some(first))?;
    let any = gix::refs::transaction::PreviousValue::Any;
    repository.reference("refs/heads/main", second, any, "quickstart")?;
    Ok([first, second])
}

fn write_commit(
    repository: &gix::Repository,
    state: State,
    message: &str,
    seconds: i64,
    parent: Option<ObjectId>,
) -> Result<ObjectId, Box<dyn Error + Send + Sync>> {
    let author = gix::actor::Signature {
        name: "Field Notes".into(),
        email: "notes@example.com".into(),
        time: gix::date::Time::new(seconds, 0),
    };
    let commit = gix::objs::Commit {
        tree: write_tree(repository, &files(state))?,
        parents: parent.into_iter().collect(),
        author: author.clone(),
        committer: author,
        encoding: None,
        message: format!("{message}\n").into(),
        extra_headers: Vec::new(),
    };
    Ok(repository.write_object(commit)?.detach())
}

/// Writes files as a tree; a path has at most one folder.
fn write_tree(
    repository: &gix::Repository,
    files: &BTreeMap<String, String>,
) -> Result<ObjectId, Box<dyn Error + Send + Sync>> {
    let mut root = Vec::new();
    let mut folders: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
    for (path, text) in files {
        let oid = repository.write_blob(text)?.detach();
        let (entries, name) = match path.split_once('/') {
            Some((folder, name)) => (folders.entry(folder).or_default(), name),
            None => (&mut root, path.as_str()),
        };
        let kind = if name.ends_with(".sh") { EntryKind::BlobExecutable } else { EntryKind::Blob };
        entries.push(Entry { mode: kind.into(), filename: name.into(), oid });
    }
    for (name, entries) in folders {
        let oid = write_entries(repository, entries)?;
        root.push(Entry { mode: EntryKind::Tree.into(), filename: name.into(), oid });
    }
    write_entries(repository, root)
}

fn write_entries(
    repository: &gix::Repository,
    mut entries: Vec<Entry>,
) -> Result<ObjectId, Box<dyn Error + Send + Sync>> {
    entries.sort();
    Ok(repository.write_object(gix::objs::Tree { entries })?.detach())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::site::{COMMAND, PAGES, PUBLISH};

    #[test]
    fn the_same_commits_come_out_each_time_and_a_second_call_completes_the_first() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let site = Site::create(a.path()).unwrap();
        assert_eq!(site.revisions(), Site::create(b.path()).unwrap().revisions());
        std::fs::remove_file(site.path().join("refs/heads/main")).unwrap();
        assert_eq!(site.revisions(), Site::create(a.path()).unwrap().revisions());
        let head = gix::open_opts(site.path(), gix::open::Options::isolated()).unwrap().head_id().unwrap().detach();
        assert_eq!(Revision::Commit(head.to_string()), site.revisions()[1]);
        assert_eq!(std::fs::read_dir(a.path()).unwrap().count(), 1, "nothing is left beside the repository");
    }

    #[test]
    fn a_folder_that_holds_something_else_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("site.git")).unwrap();
        let error = Site::create(folder.path()).unwrap_err();
        assert!(error.to_string().contains("remove the folder"), "{error}");
    }

    #[test]
    fn the_command_turns_each_commit_into_a_site_and_the_second_differs_in_few_files() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::create(folder.path()).unwrap();
        let built = [0, 1].map(|at| build(&site, site.commits[at], &folder.path().join(at.to_string())));
        let [first, second] = &built;
        assert_eq!(first.len(), PAGES + 2, "pages, index and stylesheet");
        let page = String::from_utf8(first["pages/note-002.html"].clone()).unwrap();
        assert!(page.contains("<title>Note 2: "), "{page}");
        assert!(page.contains(r#"<a href="note-001.html">note 1</a>"#), "{page}");
        assert!(page.contains("&lt; ") && page.contains("<h2>4. On ") && !page.contains("{{"), "{page}");
        let index = String::from_utf8(first["index.html"].clone()).unwrap();
        assert_eq!(index.matches("<li>").count(), PAGES);
        let changed = second.iter().filter(|(path, bytes)| first.get(*path) != Some(bytes)).count();
        assert_eq!(changed, 6, "four revised notes, a new one and the index");
    }

    /// Checks a commit out, runs the site's command there and reads what it published.
    fn build(site: &Site, commit: ObjectId, workspace: &Path) -> BTreeMap<String, Vec<u8>> {
        check_out(site, commit, workspace);
        let status = Command::new("/bin/sh").args(["-c", COMMAND]).current_dir(workspace).status().unwrap();
        assert!(status.success(), "{status}");
        let public = workspace.join(PUBLISH);
        let mut files = BTreeMap::new();
        for folder in ["", "pages"] {
            for entry in std::fs::read_dir(public.join(folder)).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_file() {
                    let path = entry.path().strip_prefix(&public).unwrap().to_str().unwrap().to_owned();
                    files.insert(path, std::fs::read(entry.path()).unwrap());
                }
            }
        }
        files
    }

    fn check_out(site: &Site, commit: ObjectId, workspace: &Path) {
        let repository = gix::open_opts(&site.path, gix::open::Options::isolated()).unwrap();
        let tree = repository.find_commit(commit).unwrap().tree().unwrap();
        std::fs::create_dir_all(workspace.join("pages")).unwrap();
        for entry in tree.traverse().breadthfirst.files().unwrap() {
            if !entry.mode.is_tree() {
                let blob = repository.find_blob(entry.oid).unwrap();
                std::fs::write(workspace.join(entry.filepath.to_string()), &blob.data).unwrap();
            }
        }
    }
}
