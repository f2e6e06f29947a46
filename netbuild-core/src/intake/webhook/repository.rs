//! Which repository an event is of: by its number at its Git host, for names change hands.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The software of a Git host, which decides how its webhooks look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provider {
    /// github.com and GitHub Enterprise Server.
    GitHub,
    /// gitlab.com and self-managed GitLab.
    GitLab,
    /// Bitbucket Cloud.
    Bitbucket,
}

impl Provider {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Provider::GitHub => "github",
            Provider::GitLab => "gitlab",
            Provider::Bitbucket => "bitbucket",
        }
    }
}

/// A Git host: repository numbers are its own, and its repositories are fetched from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "GitHostText")]
pub struct GitHost {
    provider: Provider,
    name: String,
}

#[derive(Deserialize)]
struct GitHostText {
    provider: Provider,
    name: String,
}

impl TryFrom<GitHostText> for GitHost {
    type Error = InvalidRepositoryId;

    fn try_from(text: GitHostText) -> Result<Self, InvalidRepositoryId> {
        GitHost::new(text.provider, &text.name)
    }
}

/// Why a text names no Git host or no repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRepositoryId {
    /// It is not what stands in a URL between `//` and the path.
    #[error("a Git host is named as in a URL: git.example or git.example:8443, at most 253 bytes")]
    Host,
    /// GitHub and GitLab number repositories, Bitbucket gives them a UUID.
    #[error("a repository's id is its number at GitHub and GitLab, and its UUID at Bitbucket; never its name")]
    Id,
}

impl GitHost {
    /// A Git host under its name in URLs, with the port if there is one: `git.example`, `git.example:8443`.
    ///
    /// # Errors
    /// [`InvalidRepositoryId::Host`].
    pub fn new(provider: Provider, name: &str) -> Result<Self, InvalidRepositoryId> {
        let byte_fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'[' | b']');
        if name.is_empty() || name.len() > 253 || !name.bytes().all(byte_fits) {
            return Err(InvalidRepositoryId::Host);
        }
        Ok(GitHost { provider, name: name.to_ascii_lowercase() })
    }

    /// `github.com`.
    pub fn github() -> Self {
        GitHost { provider: Provider::GitHub, name: "github.com".to_owned() }
    }

    /// `gitlab.com`.
    pub fn gitlab() -> Self {
        GitHost { provider: Provider::GitLab, name: "gitlab.com".to_owned() }
    }

    /// `bitbucket.org`.
    pub fn bitbucket() -> Self {
        GitHost { provider: Provider::Bitbucket, name: "bitbucket.org".to_owned() }
    }

    /// Its software.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Its name in URLs, in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A repository: its host and its id there. Names are not part of it: they are changed, and then taken by others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RepositoryIdText")]
pub struct RepositoryId {
    host: GitHost,
    id: String,
}

#[derive(Deserialize)]
struct RepositoryIdText {
    host: GitHost,
    id: String,
}

impl TryFrom<RepositoryIdText> for RepositoryId {
    type Error = InvalidRepositoryId;

    fn try_from(text: RepositoryIdText) -> Result<Self, InvalidRepositoryId> {
        RepositoryId::new(text.host, &text.id)
    }
}

impl RepositoryId {
    /// A repository by its number (GitHub, GitLab: `project.id`) or its UUID (Bitbucket, with or without braces).
    ///
    /// # Errors
    /// [`InvalidRepositoryId::Id`].
    pub fn new(host: GitHost, id: &str) -> Result<Self, InvalidRepositoryId> {
        // One repository, one text: it is compared and goes into keys.
        let id = match host.provider {
            Provider::GitHub | Provider::GitLab => id.parse::<u64>().ok().map(|number| number.to_string()),
            Provider::Bitbucket => Uuid::parse_str(id).ok().map(|uuid| uuid.to_string()),
        };
        Ok(RepositoryId { host, id: id.ok_or(InvalidRepositoryId::Id)? })
    }

    /// The Git host.
    pub fn host(&self) -> &GitHost {
        &self.host
    }

    /// The number, or the UUID in lower case without braces.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.host.name, self.id)
    }
}
