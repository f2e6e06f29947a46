//! What a deploy consists of: paths and the digests of their content.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Digest;

/// A path inside a publish folder: relative, with `/`, without empty, `.` and `..` parts and control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublishPath(String);

/// The longest publish path, in bytes.
pub const MAX_PATH_BYTES: usize = 1024;

/// Why a path cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPath {
    /// Empty, or over [`MAX_PATH_BYTES`].
    #[error("a published path has 1 to {MAX_PATH_BYTES} bytes")]
    Length,
    /// A part that is empty, `.` or `..`: the path is absolute, has doubled slashes or leaves the folder.
    #[error("a published path is relative and has no empty, `.` or `..` part")]
    Part,
    /// A control character or a backslash.
    #[error("a published path has no control characters and no backslash")]
    Character,
}

impl PublishPath {
    /// Parses a path.
    ///
    /// # Errors
    /// [`InvalidPath`] says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        if text.is_empty() || text.len() > MAX_PATH_BYTES {
            return Err(InvalidPath::Length);
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(InvalidPath::Part);
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return Err(InvalidPath::Character);
        }
        Ok(PublishPath(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublishPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PublishPath {
    type Error = InvalidPath;

    fn try_from(text: String) -> Result<Self, InvalidPath> {
        Self::parse(&text)
    }
}

impl From<PublishPath> for String {
    fn from(path: PublishPath) -> String {
        path.0
    }
}

/// One file of a deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// The digest of its content.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The files of a deploy by path. Two deploys with the same files have the same manifest and the same digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The files, in the order of their paths. A path that comes twice is refused when read: two readers of the same bytes
    /// must never see two deploys.
    #[serde(deserialize_with = "each_once")]
    pub files: BTreeMap<PublishPath, ManifestFile>,
}

impl Manifest {
    /// The bytes that are stored and hashed: JSON with the paths in order.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a map of strings to plain structs is always JSON")
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// The JSON error when the bytes are not a manifest, or a path or digest in it is invalid.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The digest of [`to_bytes`](Self::to_bytes): the deploy's content address.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_bytes())
    }

    /// The bytes of all files together.
    pub fn total_bytes(&self) -> u64 {
        self.files.values().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

fn each_once<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<PublishPath, ManifestFile>, D::Error> {
    struct EachOnce;

    impl<'de> Visitor<'de> for EachOnce {
        type Value = BTreeMap<PublishPath, ManifestFile>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of files by their paths")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut files = BTreeMap::new();
            while let Some((path, file)) = map.next_entry::<PublishPath, ManifestFile>()? {
                if files.contains_key(&path) {
                    return Err(M::Error::custom(format_args!("the path {path} comes twice")));
                }
                files.insert(path, file);
            }
            Ok(files)
        }
    }

    from.deserialize_map(EachOnce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cannot_leave_the_folder() {
        assert!(PublishPath::parse("a/b.html").is_ok());
        for bad in ["", "/a", "a//b", "a/../b", "..", "./a", "a/", "a\\b", "a\0b"] {
            assert!(PublishPath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_manifest_reads_back_and_refuses_bad_paths() {
        let file = ManifestFile { digest: Digest::of("x"), bytes: 1 };
        let manifest = Manifest { files: [(PublishPath::parse("index.html").unwrap(), file)].into() };
        assert_eq!(Manifest::from_bytes(&manifest.to_bytes()).unwrap(), manifest);
        let escaped = String::from_utf8(manifest.to_bytes()).unwrap().replace("index.html", "../index.html");
        assert!(Manifest::from_bytes(escaped.as_bytes()).is_err());
        let file = serde_json::to_string(&ManifestFile { digest: Digest::of("x"), bytes: 1 }).unwrap();
        let twice = format!(r#"{{"files":{{"a":{file},"a":{file}}}}}"#);
        assert!(Manifest::from_bytes(twice.as_bytes()).unwrap_err().to_string().contains("comes twice"));
    }
}
