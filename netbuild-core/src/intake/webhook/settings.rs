//! What a project builds.

use serde::{Deserialize, Serialize};

use super::RepositoryId;
use crate::model::{AccountId, BuildSpec, Priority, ProjectId, RepositoryUrl};

/// A project as webhooks see it: whose it is, of which repository, and what of that is built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectSettings {
    /// Its account.
    pub account: AccountId,
    /// Its name. Several projects of one repository each get builds of their own.
    pub project: ProjectId,
    /// Its repository. The account must have shown that it may have it built: who may set this decides what is fetched.
    pub repository: RepositoryId,
    /// Where to fetch it, in place of the URL in the event: for `ssh`, a mirror, or a Git host whose web and clone hosts
    /// differ. Forks are fetched through it as well where the Git host keeps their commits in the repository (GitHub,
    /// GitLab).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<RepositoryUrl>,
    /// The branch whose builds are production, without `refs/heads/`.
    pub production_branch: String,
    /// Which other branches are built.
    #[serde(default)]
    pub branches: Branches,
    /// Which pull requests are built.
    #[serde(default)]
    pub previews: Previews,
    /// What to run. Secrets in it are withheld from forks when they are dispatched.
    pub spec: BuildSpec,
    /// The priority of its builds.
    #[serde(default)]
    pub priority: Priority,
}

impl ProjectSettings {
    /// A project that builds its production branch and the pull requests from its own repository.
    pub fn new(
        account: AccountId,
        project: ProjectId,
        repository: RepositoryId,
        production_branch: impl Into<String>,
        spec: BuildSpec,
    ) -> Self {
        ProjectSettings {
            account,
            project,
            repository,
            url: None,
            production_branch: production_branch.into(),
            branches: Branches::default(),
            previews: Previews::default(),
            spec,
            priority: Priority::default(),
        }
    }
}

/// Which branches beside the production branch are built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Branches {
    /// None. The default: a preview shows a branch when it has a pull request.
    #[default]
    None,
    /// Every one.
    All,
    /// These: a whole name, or the beginning of names and a `*` (`release/*`). A `*` elsewhere is that character, which
    /// no branch has.
    Matching(Vec<String>),
}

impl Branches {
    pub(super) fn include(&self, branch: &str) -> bool {
        match self {
            Branches::None => false,
            Branches::All => true,
            Branches::Matching(patterns) => patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(beginning) => branch.starts_with(beginning),
                None => branch == pattern,
            }),
        }
    }
}

/// Which pull requests are built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Previews {
    /// None.
    Never,
    /// Those from a branch of the repository itself. The default: anybody can open one from a fork.
    #[default]
    Own,
    /// Those from forks as well, untrusted: without secrets, and without a cache that trusted builds read.
    OwnAndForks,
}
