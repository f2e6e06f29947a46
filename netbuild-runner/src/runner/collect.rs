//! Collecting the publish folder: its files, each with the digest of its content.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use netbuild_core::model::{Cause, Digest, Failure, JobRules, Manifest, ManifestFile, PublishPath};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::admit::{Admission, Entry, Kind, check};
use super::mounts::mount_below;

const BUFFER: usize = 64 << 10;

/// A collected publish folder.
#[derive(Debug)]
pub(super) struct Collected {
    /// The folder itself, without any link in its path.
    pub(super) root: PathBuf,
    /// Its files.
    pub(super) manifest: Manifest,
}

/// Collects the folder `publish` of the workspace, all of which must belong to `user` if there is one. Nothing may write to
/// it any more. It blocks, and ends early without sense once `interrupt` is true.
pub(super) fn collect(
    work: &Path,
    publish: &PublishPath,
    rules: &JobRules,
    user: Option<u32>,
    interrupt: &AtomicBool,
) -> Result<Collected, Failure> {
    let root = locate(work, publish, user)?;
    let files = list(&root, publish, rules, user)?;
    let mut manifest = Manifest::default();
    for (path, bytes) in files {
        if interrupt.load(Ordering::Relaxed) {
            break;
        }
        let digest = hash(&root.join(path.as_str()), bytes).map_err(|error| unreadable(publish, &path, &error))?;
        manifest.files.insert(path, ManifestFile { digest, bytes });
    }
    Ok(Collected { root, manifest })
}

fn unreadable(publish: &PublishPath, path: &PublishPath, error: &io::Error) -> Failure {
    let cause = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidData | io::ErrorKind::NotFound => Cause::PublishInvalid,
        _ => Cause::HostDisk,
    };
    Failure::new(cause, format!("{publish}/{path} could not be read: {error}"))
}

/// Finds the folder, and makes sure that neither a link nor a mount has led out of the workspace.
fn locate(work: &Path, publish: &PublishPath, user: Option<u32>) -> Result<PathBuf, Failure> {
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
    let Ok(below) = root.strip_prefix(&work) else {
        return Err(invalid("is a link that leads out of the workspace".to_owned()));
    };
    let metadata = fs::metadata(&root).map_err(|error| invalid(format!("cannot be opened: {error}")))?;
    if !metadata.is_dir() {
        return Err(invalid("is not a folder".to_owned()));
    }
    check(below, entry(&metadata), user).map_err(|why| invalid(format!("cannot be published: {why}")))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match mount_below(&mounts, &work, &root) {
        Some(mount) => Err(invalid(format!("leads out of the workspace by the mount {}", mount.display()))),
        None => Ok(root),
    }
}

/// Lists the files with their sizes, folder by folder in the order of their names, so that the first failure is always the
/// same one.
fn list(
    root: &Path,
    publish: &PublishPath,
    rules: &JobRules,
    user: Option<u32>,
) -> Result<Vec<(PublishPath, u64)>, Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(Cause::PublishInvalid, format!("the publish folder {publish} cannot be read: {error}"))
    };
    let mut admission = Admission::new(rules, user);
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        // One more than there is room for is enough to refuse it, however many there are.
        let most = usize::try_from(admission.room()).unwrap_or(usize::MAX).saturating_add(1);
        let mut entries = fs::read_dir(root.join(&folder))
            .and_then(|entries| entries.take(most).collect::<io::Result<Vec<_>>>())
            .map_err(unreadable)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for found in entries {
            let path = folder.join(found.file_name());
            let entry = entry(&found.metadata().map_err(unreadable)?);
            let admitted = admission.admit(&path, entry)?;
            match entry.kind {
                Kind::File(bytes) => files.push((admitted, bytes)),
                _ => folders.push(path),
            }
        }
    }
    if files.is_empty() {
        return Err(Failure::new(Cause::PublishInvalid, format!("the publish folder {publish} has no files")));
    }
    Ok(files)
}

fn entry(metadata: &Metadata) -> Entry {
    let kind = match metadata.file_type() {
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_file() => Kind::File(metadata.len()),
        kind if kind.is_symlink() => Kind::Link,
        _ => Kind::Special,
    };
    let needed = if kind == Kind::Folder { 0o500 } else { 0o400 };
    Entry { kind, owner: metadata.uid(), readable: metadata.mode() & needed == needed }
}

/// The digest of a file of so many bytes. A file that is longer or shorter by now is not read to its end, which may never
/// come.
fn hash(path: &Path, bytes: u64) -> io::Result<Digest> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let changed = || io::Error::new(io::ErrorKind::InvalidData, "it changed while the folder was collected");
    if !file.metadata()?.is_file() {
        return Err(changed());
    }
    let mut file = file.take(bytes.saturating_add(1));
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut read = 0;
    loop {
        match file.read(&mut buffer)? {
            0 if read == bytes => return Ok(Digest::from_bytes(hasher.finalize().into())),
            0 => return Err(changed()),
            length => {
                hasher.update(&buffer[..length]);
                read += length as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn collected(make: impl FnOnce(&Path)) -> Result<Manifest, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        fs::create_dir(&work).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/secret"), "x").unwrap();
        make(&work);
        collect_as(&work, &JobRules::default(), None)
    }

    fn collect_as(work: &Path, rules: &JobRules, user: Option<u32>) -> Result<Manifest, Failure> {
        let publish = PublishPath::parse("out/site").unwrap();
        collect(work, &publish, rules, user, &AtomicBool::new(false)).map(|collected| collected.manifest)
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
        let git = |work: &Path| {
            fs::create_dir_all(work.join(".git/site")).unwrap();
            fs::write(work.join(".git/site/config"), "").unwrap();
            symlink(".git", work.join("out")).unwrap();
        };
        assert!(evidence(&git).contains("history"));
        let source = |work: &Path| {
            fs::create_dir_all(work.join(".git")).unwrap();
            fs::create_dir(work.join("out")).unwrap();
            symlink("..", work.join("out/site")).unwrap();
        };
        assert!(evidence(&source).starts_with(".git: "), "a link to the source itself");
        for mode in [0o000, 0o300, 0o600] {
            let closed = |work: &Path| fs::set_permissions(site(work).join("a"), mode_of(mode)).unwrap();
            assert!(evidence(&closed).contains("a: its mode"), "{mode:o}");
            let root = |work: &Path| fs::set_permissions(site(work), mode_of(mode)).unwrap();
            assert!(evidence(&root).contains("out/site"), "{mode:o}");
        }
        let closed_file = |work: &Path| {
            fs::write(site(work).join("a/f"), "x").unwrap();
            fs::set_permissions(work.join("out/site/a/f"), mode_of(0)).unwrap();
        };
        assert!(evidence(&closed_file).contains("a/f: its mode"));
        let deep = |work: &Path| {
            let mut folder = site(work);
            for _ in 0..6 {
                folder.push("d".repeat(200));
                fs::create_dir(&folder).unwrap();
            }
        };
        assert!(evidence(&deep).contains("1024 bytes"));
    }

    fn mode_of(mode: u32) -> fs::Permissions {
        fs::Permissions::from_mode(mode)
    }

    #[test]
    fn modes_and_second_names_of_own_files_do_no_harm() {
        let manifest = collected(|work| {
            let site = site(work);
            fs::write(site.join("one"), "x").unwrap();
            fs::hard_link(site.join("one"), site.join("two")).unwrap();
            fs::set_permissions(site.join("one"), mode_of(0o6755)).unwrap();
        });
        assert_eq!(manifest.unwrap().files.len(), 2);
    }

    #[test]
    fn what_belongs_to_another_user_is_refused() {
        let work = tempfile::tempdir().unwrap();
        fs::write(site(work.path()).join("one"), "x").unwrap();
        let me = work.path().metadata().unwrap().uid();
        let rules = JobRules::default();
        assert_eq!(collect_as(work.path(), &rules, Some(me)).unwrap().files.len(), 1);
        assert!(collect_as(work.path(), &rules, Some(me + 1)).unwrap_err().evidence.contains("another user"));
    }

    #[test]
    fn a_file_over_the_bound_is_refused_without_being_read() {
        let work = tempfile::tempdir().unwrap();
        let file = File::create(site(work.path()).join("sparse")).unwrap();
        file.set_len(1 << 40).unwrap();
        let failure = collect_as(work.path(), &JobRules::default(), None).unwrap_err();
        assert_eq!(failure.cause, Cause::PublishTooLarge);
        assert!(failure.evidence.starts_with("sparse: "), "{failure}");
    }

    #[test]
    fn a_file_that_is_not_as_it_was_listed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "hello").unwrap();
        assert_eq!(hash(&path, 5).unwrap(), Digest::of("hello"));
        for bytes in [0, 4, 6] {
            assert_eq!(hash(&path, bytes).unwrap_err().kind(), io::ErrorKind::InvalidData, "{bytes}");
        }
        symlink("file", folder.path().join("link")).unwrap();
        assert!(hash(&folder.path().join("link"), 5).is_err());
        assert!(hash(Path::new("/dev/zero"), 5).is_err());
        // One that has grown so much that reading it to its end would take hours.
        File::options().write(true).open(&path).unwrap().set_len(1 << 42).unwrap();
        assert_eq!(hash(&path, 5).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_hundred_thousand_files_are_published_and_not_one_more() {
        // In memory where that can be, for no disk is quick at this.
        let work = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let site = site(work.path());
        for n in 0..100_000 {
            File::create(site.join(n.to_string())).unwrap();
        }
        let rules = JobRules::default();
        assert_eq!(collect_as(work.path(), &rules, None).unwrap().files.len(), 100_000);
        File::create(site.join("one-more")).unwrap();
        let failure = collect_as(work.path(), &rules, None).unwrap_err();
        assert_eq!(failure.cause, Cause::PublishTooLarge);
        assert!(failure.evidence.contains("100000 files"), "{failure}");
    }
}
