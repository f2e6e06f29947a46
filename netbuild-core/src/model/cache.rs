//! Folders that a project keeps between its builds: dependencies and toolchains.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::{Build, DeployContext, InvalidPath, PublishPath, Trust};

/// A set of folders that are restored before the command and saved after it.
///
/// One entry is kept for each key, and the key has the digests of the lock files in it. So an entry never changes: what
/// changes is which one a build takes, and several versions of a toolchain lie side by side. A build whose key has no entry
/// begins with the newest of the same name, if it is for the same folders, image and architecture.
///
/// Files come back with their content, time of modification (in seconds) and executable bit. Links come back as links,
/// wherever they lead: one into the workspace or the home by its absolute path (as `$PWD` and `$HOME` have it) leads to the
/// same place in the build that restores it, any other has the text that it had. Nothing but commands follows them. Pipes,
/// sockets and devices are left out, and so is a folder of `paths` that is a link itself or lies behind one; the build's log
/// says how many and names the first. The paths of workspace and home may be others in each build: tools that note them in
/// files find less in their caches.
///
/// ```
/// # use netbuild_core::model::{CacheName, CachePath, CacheSpec, PublishPath};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // What npm has downloaded, and what it has installed, for each lock file and version of Node.
/// let npm = CacheSpec {
///     name: CacheName::new("npm")?,
///     paths: vec![CachePath::parse("~/.npm")?, CachePath::parse("node_modules")?],
///     lock_files: vec![PublishPath::parse("package-lock.json")?, PublishPath::parse(".nvmrc")?],
/// };
/// # assert_eq!(npm.paths[0].to_string(), "~/.npm");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheSpec {
    /// What tells this cache from the others of the project.
    pub name: CacheName,
    /// The folders. One that the command does not make is left out.
    pub paths: Vec<CachePath>,
    /// The files of the source that decide what belongs into the folders: lock files, version files. One that is missing
    /// counts as such, and so does one that is a link.
    #[serde(default)]
    pub lock_files: Vec<PublishPath>,
}

/// The name of a cache within its project: 1 to 64 of `a` to `z`, `0` to `9`, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CacheName(String);

/// A folder to keep: relative to the source's folder, or with `~/` before it to the command's home.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CachePath {
    place: CachePlace,
    path: PublishPath,
}

/// What a [`CachePath`] is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CachePlace {
    /// The source's folder.
    Work,
    /// The command's home.
    Home,
}

/// The longest name of a cache, in bytes.
pub const MAX_CACHE_NAME_BYTES: usize = 64;

/// Why a text is no name or path of a cache.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCache {
    /// The name is empty, too long or has other characters.
    #[error("a cache's name has 1 to {MAX_CACHE_NAME_BYTES} of a-z, 0-9, `-`, `_` and `.`")]
    Name,
    /// The path is none.
    #[error("a cached folder is `folder` in the source or `~/folder` in the home")]
    Path(#[from] InvalidPath),
}

impl CacheName {
    /// Takes a text as a name.
    ///
    /// # Errors
    /// [`InvalidCache::Name`].
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidCache> {
        let text = text.into();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > MAX_CACHE_NAME_BYTES || !text.bytes().all(plain) {
            return Err(InvalidCache::Name);
        }
        Ok(CacheName(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CachePath {
    /// Parses `folder/below/the/source` or `~/folder/below/the/home`.
    ///
    /// # Errors
    /// [`InvalidCache::Path`]: absolute, with `..`, or the source or home itself.
    pub fn parse(text: &str) -> Result<Self, InvalidCache> {
        let (place, path) = match text.strip_prefix("~/") {
            Some(path) => (CachePlace::Home, path),
            None => (CachePlace::Work, text),
        };
        Ok(CachePath { place, path: PublishPath::parse(path)? })
    }

    /// What the path is relative to.
    pub fn place(&self) -> CachePlace {
        self.place
    }

    /// The path below that.
    pub fn path(&self) -> &PublishPath {
        &self.path
    }
}

/// Who may read and write an entry: a part of every key.
///
/// Builds of the project's own branches share one scope. Somebody else's commits have a scope for each deploy context:
/// they read the shared one and write only their own, so that no pull request can leave anything for a build that has
/// secrets. (The TanStack compromise of 2026, CVE-2026-45321, was a fork's cache that the release build read.)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "scope", content = "context")]
pub enum CacheScope {
    /// The project's own branches and tags.
    Trusted,
    /// Somebody else's commits in one deploy context.
    Untrusted(DeployContext),
}

impl CacheScope {
    /// The scope that a build writes.
    pub fn of(build: &Build) -> Self {
        match build.trust {
            Trust::Trusted => CacheScope::Trusted,
            Trust::Untrusted => CacheScope::Untrusted(build.context.clone()),
        }
    }

    /// The scopes that it reads, the one to prefer first.
    pub fn readable(&self) -> Vec<CacheScope> {
        match self {
            CacheScope::Trusted => vec![CacheScope::Trusted],
            CacheScope::Untrusted(_) => vec![self.clone(), CacheScope::Trusted],
        }
    }
}

/// The key of an entry within project and scope: a digest over all that decides whether its content fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CacheKey(Digest);

impl CacheKey {
    /// The key of `spec` in an image on an architecture (as [`std::env::consts::ARCH`] names it), with the digest of each
    /// lock file in the spec's order; `None` for one that the source does not have.
    ///
    /// Image and architecture are in the key because compiled dependencies of one do not run in another.
    pub fn new(spec: &CacheSpec, image: Option<&str>, architecture: &str, lock_files: &[Option<Digest>]) -> Self {
        let files: Vec<_> = spec.lock_files.iter().zip(lock_files).collect();
        let all = (&spec.name, &spec.paths, image, architecture, files);
        CacheKey(Digest::of(serde_json::to_vec(&all).expect("plain values are always JSON")))
    }

    /// The digest.
    pub fn digest(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CacheName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CachePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            CachePlace::Work => write!(f, "{}", self.path),
            CachePlace::Home => write!(f, "~/{}", self.path),
        }
    }
}

impl TryFrom<String> for CacheName {
    type Error = InvalidCache;

    fn try_from(text: String) -> Result<Self, InvalidCache> {
        Self::new(text)
    }
}

impl From<CacheName> for String {
    fn from(name: CacheName) -> String {
        name.0
    }
}

impl TryFrom<String> for CachePath {
    type Error = InvalidCache;

    fn try_from(text: String) -> Result<Self, InvalidCache> {
        Self::parse(&text)
    }
}

impl From<CachePath> for String {
    fn from(path: CachePath) -> String {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> CacheSpec {
        CacheSpec {
            name: CacheName::new("npm").unwrap(),
            paths: vec![CachePath::parse("~/.npm").unwrap(), CachePath::parse("node_modules").unwrap()],
            lock_files: vec![PublishPath::parse("package-lock.json").unwrap()],
        }
    }

    #[test]
    fn names_and_paths_are_plain_and_stay_inside() {
        for name in ["", "NPM", "a/b", "a b", &"x".repeat(65)] {
            assert_eq!(CacheName::new(name), Err(InvalidCache::Name), "{name:?}");
        }
        for path in ["", "/etc", "~/", "~", "..", "~/../other", "a/../b", "~/~/../a"] {
            let refused = CachePath::parse(path);
            assert_eq!(refused.is_ok(), path == "~", "{path:?}: a folder may be named `~`");
        }
        let home = CachePath::parse("~/.cargo/registry").unwrap();
        assert_eq!((home.place(), home.path().as_str()), (CachePlace::Home, ".cargo/registry"));
        assert_eq!(home.to_string(), "~/.cargo/registry");
        assert!(serde_json::from_str::<CacheSpec>(r#"{"name":"x","paths":["/etc"]}"#).is_err());
    }

    #[test]
    fn everything_that_decides_is_in_the_key() {
        let key = |spec: &CacheSpec, image, lock: &str| CacheKey::new(spec, image, "x86_64", &[Some(Digest::of(lock))]);
        let first = key(&spec(), None, "1");
        assert_eq!(first, key(&spec(), None, "1"));
        assert_ne!(first, key(&spec(), None, "2"));
        assert_ne!(first, key(&spec(), Some("node:22"), "1"));
        assert_ne!(first, CacheKey::new(&spec(), None, "aarch64", &[Some(Digest::of("1"))]));
        assert_ne!(first, CacheKey::new(&spec(), None, "x86_64", &[None]));
        let other = CacheSpec { name: CacheName::new("pnpm").unwrap(), ..spec() };
        assert_ne!(first, key(&other, None, "1"));
        let other = CacheSpec { paths: vec![CachePath::parse("~/.npm").unwrap()], ..spec() };
        assert_ne!(first, key(&other, None, "1"));
    }

    #[test]
    fn untrusted_builds_write_a_scope_that_no_trusted_one_reads() {
        let build = |trust, context| Build { trust, context, ..crate::testkit::fixtures::build("a", "p", 1) };
        let trusted = CacheScope::of(&build(Trust::Trusted, DeployContext::Production));
        assert_eq!(trusted, CacheScope::of(&build(Trust::Trusted, DeployContext::Branch("b".to_owned()))));
        let preview = |number: &str| DeployContext::Preview(number.to_owned());
        let fork = CacheScope::of(&build(Trust::Untrusted, preview("7")));
        assert_ne!(fork, CacheScope::of(&build(Trust::Untrusted, preview("8"))));
        // Also where a host has given somebody else's commits the production context.
        assert_ne!(trusted, CacheScope::of(&build(Trust::Untrusted, DeployContext::Production)));
        assert_eq!(fork.readable(), [fork.clone(), CacheScope::Trusted]);
        assert_eq!(trusted.readable(), [CacheScope::Trusted]);
    }
}
