//! What a customer asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AccountId, BuildId, BuildKey, CacheSpec, ProjectId, PublishPath, Source, Timestamp};

/// A build: the whole request, as the outbox, the queue and the ledger carry it.
///
/// It holds references to secrets and never their values, so it may be stored and logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Its id.
    pub id: BuildId,
    /// The account that asked.
    pub account: AccountId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// What to fetch.
    pub source: Source,
    /// Which visible deploy of the project it makes.
    pub context: DeployContext,
    /// What to run.
    pub spec: BuildSpec,
    /// Higher starts earlier, where the policy looks at it.
    #[serde(default)]
    pub priority: Priority,
    /// Whether the source may see secrets and write shared caches.
    pub trust: Trust,
    /// When the customer asked.
    pub created_at: Timestamp,
}

impl Build {
    /// The full key.
    pub fn key(&self) -> BuildKey {
        BuildKey { account: self.account.clone(), project: self.project.clone(), build: self.id }
    }
}

/// Which visible deploy of a project a build makes. Each context has one current deploy of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
#[non_exhaustive]
pub enum DeployContext {
    /// The production branch.
    Production,
    /// Another branch, by name.
    Branch(String),
    /// A preview of a pull request, by its number or name.
    Preview(String),
}

impl fmt::Display for DeployContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeployContext::Production => f.write_str("production"),
            DeployContext::Branch(name) => write!(f, "branch/{name}"),
            DeployContext::Preview(name) => write!(f, "preview/{name}"),
        }
    }
}

/// Whether a build's source is the project's own. A pull request from a fork is untrusted: it gets no secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The project's own branches and tags.
    Trusted,
    /// Somebody else's commits.
    Untrusted,
}

/// The priority of a build; 0 is ordinary, higher starts earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(pub i16);

/// What to run and within which bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSpec {
    /// The command, given to `/bin/sh -c` in the source's folder.
    pub command: String,
    /// The folder to publish, relative to the source's folder; `None` when nothing is deployed (a test run).
    pub publish: Option<PublishPath>,
    /// The image to run in, for executors that have images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Plain environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Secret environment variables: the variable's name and the reference that the `Secrets` port resolves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretRef>,
    /// What opens the repository, for `ssh` a private key: the runner fetches with it, and the command never sees it.
    /// Withheld from untrusted builds, as every secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<SecretRef>,
    /// Folders that are kept between the project's builds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<CacheSpec>,
    /// Memory, processor and disk.
    #[serde(default)]
    pub resources: Resources,
    /// Time limits.
    #[serde(default)]
    pub limits: Limits,
    /// What happens when an attempt's end cannot be known.
    #[serde(default)]
    pub on_unknown: OnUnknown,
}

impl BuildSpec {
    /// A command that publishes nothing, with every default.
    pub fn new(command: impl Into<String>) -> Self {
        BuildSpec {
            command: command.into(),
            publish: None,
            image: None,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            credential: None,
            caches: Vec::new(),
            resources: Resources::default(),
            limits: Limits::default(),
            on_unknown: OnUnknown::default(),
        }
    }
}

/// The name under which a secret is kept; never its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretRef(pub String);

/// What an attempt may use. `None` leaves it to the executor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processor time, in thousandths of a core.
    pub cpu_millis: Option<u32>,
    /// Disk for workspace and image layers, in bytes.
    pub disk_bytes: Option<u64>,
}

/// The three times that bound a build apart from each other: each has its own cause when it is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest wait in the backlog before an attempt starts. Default 6 hours: past it nobody waits for the deploy.
    #[serde(with = "duration_millis")]
    pub queue: Duration,
    /// The longest time from the start of an attempt until its runner runs (image pull, node start). Default 15
    /// minutes: pulls of large images were seen to take 9.
    #[serde(with = "duration_millis")]
    pub pending: Duration,
    /// The longest run of the build itself, fetch and upload included. Default 30 minutes.
    #[serde(with = "duration_millis")]
    pub run: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            queue: Duration::from_secs(6 * 3600),
            pending: Duration::from_secs(15 * 60),
            run: Duration::from_secs(30 * 60),
        }
    }
}

/// What happens to a build when the end of an attempt cannot be known: its host is out of reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// At most once: the build ends as a failure of unknown owner when the attempt has certainly fenced itself. For
    /// deploys with effects of their own.
    #[default]
    Park,
    /// At least once: it runs again when the attempt has certainly fenced itself. For tests and pure site builds.
    Rerun,
}

mod duration_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
