//! The first file of an archive: whose it is, and what for.

use netbuild_core::model::{AccountId, AttemptId, CacheKey, CacheName, CachePath, CacheSpec, Digest, ProjectId};
use serde::{Deserialize, Serialize};

/// The version of the format that this runner writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// The most folders of a cache.
pub(super) const MAX_FOLDERS: usize = 100;

/// What an archive says of itself, so that a wrong one is noticed also when the index that names it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub format: u32,
    /// The customer.
    pub account: AccountId,
    /// The customer's project.
    pub project: ProjectId,
    /// The cache.
    pub name: CacheName,
    /// The entry's key.
    pub key: CacheKey,
    /// The image that the folders were made in.
    pub image: Option<String>,
    /// The architecture that they were made on.
    pub architecture: String,
    /// The folders.
    pub folders: Vec<CachePath>,
}

/// How an archive's header fits what is to be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is what was asked for, or an older entry of it.
    Fits,
    /// An older entry for other folders, another image or another architecture: nothing is wrong with it, but it is of
    /// no use here.
    OfNoUse,
    /// Another customer's, project's, cache's or key's, or of another version.
    Foreign,
}

impl Header {
    /// The header of what `spec` keeps for an attempt's project, with the digests of its lock files.
    pub(super) fn new(
        spec: &CacheSpec,
        attempt: &AttemptId,
        image: Option<&str>,
        lock_files: &[Option<Digest>],
    ) -> Self {
        let architecture = std::env::consts::ARCH;
        Header {
            format: FORMAT,
            account: attempt.build.account.clone(),
            project: attempt.build.project.clone(),
            name: spec.name.clone(),
            key: CacheKey::new(spec, image, architecture, lock_files),
            image: image.map(str::to_owned),
            architecture: architecture.to_owned(),
            folders: folders(&spec.paths),
        }
    }

    /// How an archive with the header `found`, which is said to have the key `key`, fits this one.
    pub(super) fn fit(&self, found: &Header, key: CacheKey) -> Fit {
        let Header { format, account, project, name, key: _, image, architecture, folders } = self;
        let is_ours = (format, account, project, name) == (&found.format, &found.account, &found.project, &found.name);
        if !is_ours || found.key != key {
            return Fit::Foreign;
        }
        if (image, architecture, folders) == (&found.image, &found.architecture, &found.folders) {
            return Fit::Fits;
        }
        // All of this is in the key.
        if self.key == key { Fit::Foreign } else { Fit::OfNoUse }
    }
}

/// The folders that are kept for `paths`: each once, and none that lies in another.
fn folders(paths: &[CachePath]) -> Vec<CachePath> {
    let lies_in = |path: &CachePath, other: &CachePath| {
        let below = path.path().as_str().strip_prefix(other.path().as_str());
        path.place() == other.place() && below.is_some_and(|below| below.starts_with('/'))
    };
    let mut folders: Vec<CachePath> = Vec::new();
    for path in paths {
        if !folders.contains(path) && !paths.iter().any(|other| lies_in(path, other)) {
            folders.push(path.clone());
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::samples;

    fn spec(paths: &[&str]) -> CacheSpec {
        CacheSpec {
            name: CacheName::new("npm").unwrap(),
            paths: paths.iter().map(|path| CachePath::parse(path).unwrap()).collect(),
            lock_files: Vec::new(),
        }
    }

    #[test]
    fn each_folder_is_kept_once() {
        let paths = spec(&["a/b", "~/a", "a", "ab", "a", "~/a/b/c"]).paths;
        let kept: Vec<String> = folders(&paths).iter().map(ToString::to_string).collect();
        assert_eq!(kept, ["~/a", "a", "ab"]);
    }

    #[test]
    fn a_header_fits_or_is_foreign() {
        let attempt = samples::job().attempt;
        let ours = Header::new(&spec(&["a"]), &attempt, Some("node:22"), &[]);
        let key = ours.key;
        assert_eq!(ours.fit(&ours.clone(), key), Fit::Fits);
        let older = Header { key: CacheKey::new(&spec(&["b"]), None, "x", &[]), ..ours.clone() };
        assert_eq!(ours.fit(&older, older.key), Fit::Fits, "other lock files");
        assert_eq!(ours.fit(&older, key), Fit::Foreign, "the index said another key");

        let mut strangers = vec![ours.clone(); 4];
        strangers[0].account = AccountId::new("other").unwrap();
        strangers[1].project = ProjectId::new("other").unwrap();
        strangers[2].name = CacheName::new("other").unwrap();
        strangers[3].format = 2;
        for stranger in strangers {
            assert_eq!(ours.fit(&stranger, key), Fit::Foreign, "{stranger:?}");
        }
        let mut different = vec![older; 3];
        different[0].image = None;
        different[1].architecture = "other".to_owned();
        different[2].folders = folders(&spec(&["b"]).paths);
        for other in different {
            assert_eq!(ours.fit(&other, other.key), Fit::OfNoUse, "{other:?}");
            assert_eq!(ours.fit(&Header { key, ..other }, key), Fit::Foreign, "not with the very key");
        }
    }
}
