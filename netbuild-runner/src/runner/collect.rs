//! Collecting the publish folder: its files, each with the digest of its content.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use netbuild_core::model::{Cause, Digest, Failure, JobRules, Manifest, ManifestFile, PublishPath};
use sha2::{Digest as _, Sha256};

use super::admit::{Admission, Kind};

const BUFFER: usize = 64 << 10;

/// A collected publish folder.
#[derive(Debug)]
pub(super) struct Collected {
    /// The folder itself, without any link in its path.
    pub(super) root: PathBuf,
    /// Its files.
    pub(super) manifest: Manifest,
}

/// Collects the folder `publish` of the workspace. Nothing may write to it any more. It blocks, and ends early without
/// sense once `interrupt` is true.
pub(super) fn collect(
    work: &Path,
    publish: &PublishPath,
    rules: &JobRules,
    interrupt: &AtomicBool,
) -> Result<Collected, Failure> {
    let root = locate(work, publish)?;
    let paths = list(&root, publish, rules)?;
    let mut manifest = Manifest::default();
    for path in paths {
        if interrupt.load(Ordering::Relaxed) {
            break;
        }
        let file = hash(&root.join(path.as_str()))
            .map_err(|error| Failure::new(Cause::HostDisk, format!("{publish}/{path} could not be read: {error}")))?;
        manifest.files.insert(path, file);
    }
    Ok(Collected { root, manifest })
}

/// Finds the folder, and makes sure that no link has led out of the workspace.
fn locate(work: &Path, publish: &PublishPath) -> Result<PathBuf, Failure> {
    let invalid = |why: String| Failure::new(Cause::PublishInvalid, format!("the publish folder {publish} {why}"));
    let root = match fs::canonicalize(work.join(publish.as_str())) {
        Ok(root) => root,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(invalid("does not exist after the command; it must make it".to_owned()));
        }
        Err(error) => return Err(invalid(format!("cannot be opened: {error}"))),
    };
    let work = fs::canonicalize(work)
        .map_err(|error| Failure::new(Cause::HostDisk, format!("the workspace is gone: {error}")))?;
    if !root.starts_with(&work) {
        return Err(invalid("is a link that leads out of the workspace".to_owned()));
    }
    if !root.is_dir() {
        return Err(invalid("is not a folder".to_owned()));
    }
    Ok(root)
}

/// Lists the files in the order of their names, so that the first failure is always the same one.
fn list(root: &Path, publish: &PublishPath, rules: &JobRules) -> Result<Vec<PublishPath>, Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(Cause::PublishInvalid, format!("the publish folder {publish} cannot be read: {error}"))
    };
    let mut admission = Admission::new(rules);
    let mut paths = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let mut entries =
            fs::read_dir(root.join(&folder)).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(unreadable)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = folder.join(entry.file_name());
            let metadata = entry.metadata().map_err(unreadable)?;
            let kind = match metadata.file_type() {
                kind if kind.is_dir() => {
                    folders.push(path);
                    continue;
                }
                kind if kind.is_file() => Kind::File(metadata.len()),
                kind if kind.is_symlink() => Kind::Link,
                _ => Kind::Special,
            };
            paths.push(admission.admit(&path, kind)?);
        }
    }
    if paths.is_empty() {
        return Err(Failure::new(Cause::PublishInvalid, format!("the publish folder {publish} has no files")));
    }
    Ok(paths)
}

fn hash(path: &Path) -> io::Result<ManifestFile> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(ManifestFile { digest: Digest::from_bytes(hasher.finalize().into()), bytes }),
            length => {
                hasher.update(&buffer[..length]);
                bytes += length as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn collected(make: impl FnOnce(&Path)) -> Result<Manifest, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        fs::create_dir(&work).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/secret"), "x").unwrap();
        make(&work);
        let publish = PublishPath::parse("out/site").unwrap();
        collect(&work, &publish, &JobRules::default(), &AtomicBool::new(false)).map(|collected| collected.manifest)
    }

    fn site(work: &Path) -> PathBuf {
        let site = work.join("out/site");
        fs::create_dir_all(site.join("a/b")).unwrap();
        site
    }

    #[test]
    fn files_are_listed_with_digest_and_size() {
        let manifest = collected(|work| {
            let site = site(work);
            fs::write(site.join("index.html"), "hello").unwrap();
            fs::write(site.join("a/b/empty"), "").unwrap();
            fs::write(site.join("a/large"), vec![b'x'; BUFFER + 1]).unwrap();
        })
        .unwrap();
        let files: Vec<_> = manifest.files.iter().map(|(path, file)| (path.as_str(), file.bytes)).collect();
        assert_eq!(files, [("a/b/empty", 0), ("a/large", BUFFER as u64 + 1), ("index.html", 5)]);
        let digest = |path| manifest.files[&PublishPath::parse(path).unwrap()].digest;
        assert_eq!(digest("index.html"), Digest::of("hello"));
        assert_eq!(digest("a/large"), Digest::of(vec![b'x'; BUFFER + 1]));
    }

    #[test]
    fn folders_that_cannot_be_published_are_refused_by_name() {
        let evidence = |make: &dyn Fn(&Path)| {
            let failure = collected(|work| make(work)).unwrap_err();
            assert_eq!(failure.cause, Cause::PublishInvalid);
            failure.evidence
        };
        assert!(evidence(&|_| {}).contains("out/site does not exist"));
        assert!(evidence(&|work| drop(site(work))).contains("out/site has no files"));
        assert!(evidence(&|work| symlink("/etc/passwd", site(work).join("a/link")).unwrap()).starts_with("a/link: "));
        assert!(evidence(&|work| fs::write(work.join("out"), "").unwrap()).contains("does not exist"));
        let link_out = |work: &Path| {
            fs::create_dir(work.join("out")).unwrap();
            symlink("../../outside", work.join("out/site")).unwrap();
        };
        assert!(evidence(&link_out).contains("leads out"));
        let parent_out = |work: &Path| {
            fs::create_dir(work.parent().unwrap().join("outside/site")).unwrap();
            symlink("../outside", work.join("out")).unwrap();
        };
        assert!(evidence(&parent_out).contains("leads out"));
    }
}
