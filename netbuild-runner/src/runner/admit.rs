//! What may be published, as a plain decision over names, kinds, owners and sizes.

use std::collections::BTreeMap;
use std::path::Path;

use netbuild_core::model::{Cause, Failure, JobRules, PublishPath};

/// What an entry of the publish folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A folder.
    Folder,
    /// A plain file of so many bytes.
    File(u64),
    /// A symbolic link, which may lead anywhere.
    Link,
    /// A device, pipe or socket.
    Special,
}

/// An entry of the publish folder.
///
/// Of its mode it counts alone whether its owner may read it. The other bits are not published, so that `setuid` and
/// `setgid` do no harm; and a second name of the same file (a hard link) is a file like any other, as long as it has the
/// right owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// The user id of its owner.
    pub(super) owner: u32,
    /// Whether the mode lets the owner read it; a folder also enter it. A privileged runner could in any case: what is
    /// published must not depend on that.
    pub(super) readable: bool,
}

/// Admits one entry after the other, within the host's bounds.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    rules: &'a JobRules,
    user: Option<u32>,
    files: u64,
    folders: u64,
    bytes: u64,
    /// By the path in lower case.
    seen: BTreeMap<String, PublishPath>,
}

impl<'a> Admission<'a> {
    /// Nothing is admitted yet. `user` is the one that must own everything: a hard link needs no right on a file, and so
    /// could publish what its maker cannot read.
    pub(super) fn new(rules: &'a JobRules, user: Option<u32>) -> Self {
        Admission { rules, user, files: 0, folders: 0, bytes: 0, seen: BTreeMap::new() }
    }

    /// Admits an entry by its path within the publish folder.
    ///
    /// # Errors
    /// [`Cause::PublishInvalid`] or [`Cause::PublishTooLarge`], with the path.
    pub(super) fn admit(&mut self, path: &Path, entry: Entry) -> Result<PublishPath, Failure> {
        let invalid = |why: &str| Failure::new(Cause::PublishInvalid, format!("{}: {why}", path.display()));
        check(path, entry, self.user).map_err(|why| invalid(&why))?;
        let text = path.to_str().ok_or_else(|| invalid("a published name must be UTF-8"))?;
        let path = PublishPath::parse(text).map_err(|error| invalid(&error.to_string()))?;
        self.count(&path, entry.kind)?;
        if let Some(other) = self.seen.insert(path.as_str().to_lowercase(), path.clone()) {
            let why =
                format!("differs from {other} by upper and lower case alone, which many systems cannot tell apart");
            return Err(invalid(&why));
        }
        Ok(path)
    }

    /// How many more entries can be admitted at most.
    pub(super) fn room(&self) -> u64 {
        (self.rules.publish_files - self.files).saturating_add(self.rules.publish_files - self.folders)
    }

    fn count(&mut self, path: &PublishPath, kind: Kind) -> Result<(), Failure> {
        let too_large = |what, limit: u64| {
            Failure::new(Cause::PublishTooLarge, format!("{path}: here the deploy passes its limit of {limit} {what}"))
        };
        let (files, folders, bytes) = match kind {
            Kind::File(bytes) => (1, 0, bytes),
            Kind::Folder | Kind::Link | Kind::Special => (0, 1, 0),
        };
        let (files, folders) = (self.files + files, self.folders + folders);
        let bytes = self.bytes.saturating_add(bytes);
        if files > self.rules.publish_files {
            return Err(too_large("files", self.rules.publish_files));
        }
        if folders > self.rules.publish_files {
            return Err(too_large("folders", self.rules.publish_files));
        }
        if bytes > self.rules.publish_bytes {
            return Err(too_large("bytes", self.rules.publish_bytes));
        }
        (self.files, self.folders, self.bytes) = (files, folders, bytes);
        Ok(())
    }
}

/// Checks what an entry is, or says why it cannot be published.
pub(super) fn check(path: &Path, entry: Entry, user: Option<u32>) -> Result<(), String> {
    match entry.kind {
        Kind::Folder | Kind::File(_) => {}
        Kind::Link => return Err("symbolic links cannot be published; copy the file instead".to_owned()),
        Kind::Special => return Err("only plain files can be published".to_owned()),
    }
    if path.iter().any(|part| part.eq_ignore_ascii_case(".git")) {
        return Err(
            "a repository's own folder is not published, for it holds the whole history; leave it out".to_owned()
        );
    }
    if user.is_some_and(|user| user != entry.owner) {
        return Err("it belongs to another user than the command's; copy it instead of linking to it".to_owned());
    }
    match (entry.readable, entry.kind) {
        (true, _) => Ok(()),
        (false, Kind::Folder) => Err("its mode lets nobody read it; `chmod u+rx` it".to_owned()),
        (false, _) => Err("its mode lets nobody read it; `chmod u+r` it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    const FILE: Entry = Entry { kind: Kind::File(1), owner: 7, readable: true };
    const FOLDER: Entry = Entry { kind: Kind::Folder, ..FILE };

    #[test]
    fn entries_are_admitted_or_named_in_the_failure() {
        let rules = JobRules::default();
        let long = "x/".repeat(512) + "x";
        let table: [(&[u8], Entry, Option<&str>); 19] = [
            (b"a/b.html", FILE, None),
            (b"a", FOLDER, None),
            (b".gitignore", FILE, None),
            (b".github", FOLDER, None),
            (b"a.git", FOLDER, None),
            (b"a/link", Entry { kind: Kind::Link, ..FILE }, Some("symbolic")),
            (b"a/pipe", Entry { kind: Kind::Special, ..FILE }, Some("plain files")),
            (b"a/closed", Entry { readable: false, ..FILE }, Some("chmod u+r`")),
            (b"closed", Entry { readable: false, ..FOLDER }, Some("chmod u+rx")),
            (b"a/foreign", Entry { owner: 8, ..FILE }, Some("another user")),
            (b"foreign", Entry { owner: 0, ..FOLDER }, Some("another user")),
            (b"a/.git", FOLDER, Some("history")),
            (b".GIT", FILE, Some("history")),
            (b"a/\xff", FILE, Some("UTF-8")),
            (b"a/back\\slash", FILE, Some("backslash")),
            (b"a/new\nline", FILE, Some("control")),
            (b"new\nline", FOLDER, Some("control")),
            (long.as_bytes(), FILE, Some("1024 bytes")),
            (long.as_bytes(), FOLDER, Some("1024 bytes")),
        ];
        for (path, entry, why) in table {
            let path = Path::new(OsStr::from_bytes(path));
            let admitted = Admission::new(&rules, Some(7)).admit(path, entry);
            match why {
                None => assert!(admitted.is_ok(), "{admitted:?}"),
                Some(why) => {
                    let failure = admitted.unwrap_err();
                    assert_eq!(failure.cause, Cause::PublishInvalid);
                    let named = format!("{}: ", path.display());
                    assert!(failure.evidence.starts_with(&named) && failure.evidence.contains(why), "{failure}");
                }
            }
        }
        let foreign = Entry { owner: 8, ..FILE };
        assert!(Admission::new(&rules, None).admit(Path::new("x"), foreign).is_ok(), "without a user of its own");
    }

    #[test]
    fn paths_that_differ_by_case_alone_are_refused_with_both_names() {
        let rules = JobRules::default();
        for (first, second, clash) in [
            ("a/Index.html", "a/index.html", true),
            ("DOCS", "docs", true),
            ("\u{c4}", "\u{e4}", true),
            ("a/index.html", "b/Index.html", false),
        ] {
            let mut admission = Admission::new(&rules, None);
            admission.admit(Path::new(first), FILE).unwrap();
            match admission.admit(Path::new(second), FOLDER) {
                Ok(_) => assert!(!clash, "{first} {second}"),
                Err(failure) => {
                    assert!(
                        clash && failure.evidence.contains(first) && failure.evidence.contains(second),
                        "{failure}"
                    );
                    assert_eq!(failure.cause, Cause::PublishInvalid);
                }
            }
        }
    }

    #[test]
    fn bounds_count_all_entries_together() {
        let rules = JobRules { publish_files: 2, publish_bytes: 10, ..JobRules::default() };
        let admit_all = |kinds: &[Kind]| {
            let mut admission = Admission::new(&rules, None);
            let mut admit = |(n, &kind): (usize, &Kind)| {
                admission.admit(Path::new(&n.to_string()), Entry { kind, ..FILE }).map(drop)
            };
            kinds.iter().enumerate().try_for_each(&mut admit).map(|()| admission.room())
        };
        let (file, folder) = (Kind::File, Kind::Folder);
        assert_eq!(admit_all(&[file(4), folder, file(6), folder]), Ok(0));
        assert_eq!(admit_all(&[file(4)]), Ok(3));
        for (kinds, what) in [
            (vec![file(0), file(0), file(0)], "2 files"),
            (vec![folder, folder, folder], "2 folders"),
            (vec![file(4), file(7)], "10 bytes"),
            (vec![file(u64::MAX), file(u64::MAX)], "10 bytes"),
        ] {
            let failure = admit_all(&kinds).unwrap_err();
            assert_eq!(failure.cause, Cause::PublishTooLarge);
            assert!(failure.evidence.contains(what), "{failure}");
        }
    }
}
