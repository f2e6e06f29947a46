//! What may be published, as a plain decision over names, kinds and sizes.

use std::path::Path;

use netbuild_core::model::{Cause, Failure, JobRules, PublishPath};

/// What an entry of the publish folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A plain file of so many bytes.
    File(u64),
    /// A symbolic link, which may lead anywhere.
    Link,
    /// A device, pipe or socket.
    Special,
}

/// Admits one entry after the other, within the host's bounds.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    rules: &'a JobRules,
    files: u64,
    bytes: u64,
}

impl<'a> Admission<'a> {
    /// Nothing is admitted yet.
    pub(super) fn new(rules: &'a JobRules) -> Self {
        Admission { rules, files: 0, bytes: 0 }
    }

    /// Admits an entry by its path within the publish folder.
    ///
    /// # Errors
    /// [`Cause::PublishInvalid`] or [`Cause::PublishTooLarge`], with the path.
    pub(super) fn admit(&mut self, path: &Path, kind: Kind) -> Result<PublishPath, Failure> {
        let invalid = |why: &str| Failure::new(Cause::PublishInvalid, format!("{}: {why}", path.display()));
        let bytes = match kind {
            Kind::File(bytes) => bytes,
            Kind::Link => return Err(invalid("symbolic links cannot be published; copy the file instead")),
            Kind::Special => return Err(invalid("only plain files can be published")),
        };
        let text = path.to_str().ok_or_else(|| invalid("a published name must be UTF-8"))?;
        let path = PublishPath::parse(text).map_err(|error| invalid(&error.to_string()))?;
        self.files = self.files.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        let too_large = |what, limit: u64| {
            Failure::new(Cause::PublishTooLarge, format!("{path}: here the deploy passes its limit of {limit} {what}"))
        };
        if self.files > self.rules.publish_files {
            return Err(too_large("files", self.rules.publish_files));
        }
        if self.bytes > self.rules.publish_bytes {
            return Err(too_large("bytes", self.rules.publish_bytes));
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn entries_are_admitted_or_named_in_the_failure() {
        let rules = JobRules::default();
        let table: [(&[u8], Kind, Option<&str>); 6] = [
            (b"a/b.html", Kind::File(1), None),
            (b"a/link", Kind::Link, Some("a/link")),
            (b"a/pipe", Kind::Special, Some("a/pipe")),
            (b"a/\xff", Kind::File(1), Some("a/")),
            (b"a/back\\slash", Kind::File(1), Some("a/back\\slash")),
            (b"a/new\nline", Kind::File(1), Some("a/new\nline")),
        ];
        for (path, kind, named) in table {
            let admitted = Admission::new(&rules).admit(Path::new(OsStr::from_bytes(path)), kind);
            match named {
                None => assert!(admitted.is_ok()),
                Some(name) => {
                    let failure = admitted.unwrap_err();
                    assert_eq!(failure.cause, Cause::PublishInvalid);
                    assert!(failure.evidence.starts_with(name), "{failure}");
                }
            }
        }
    }

    #[test]
    fn bounds_count_all_entries_together() {
        let rules = JobRules { publish_files: 2, publish_bytes: 10, ..JobRules::default() };
        let admit_all = |sizes: &[u64]| {
            let mut admission = Admission::new(&rules);
            sizes.iter().try_for_each(|&bytes| admission.admit(Path::new("x"), Kind::File(bytes)).map(drop))
        };
        assert_eq!(admit_all(&[4, 6]), Ok(()));
        for sizes in [&[0, 0, 0][..], &[4, 7], &[u64::MAX, u64::MAX]] {
            assert_eq!(admit_all(sizes).unwrap_err().cause, Cause::PublishTooLarge, "{sizes:?}");
        }
    }
}
