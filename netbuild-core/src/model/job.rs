//! What an executor hands to the runner, and what the runner leaves behind.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{AttemptId, CacheSpec, Outcome, PublishPath, Source, Timestamp};

/// Everything that a runner needs for one attempt. Executors pass it on as [`to_wire`](Self::to_wire) bytes, by a way
/// that other tenants cannot read: a pipe, a mounted secret; never a command line or an environment variable.
#[derive(Clone, Debug)]
pub struct Job {
    /// The attempt.
    pub attempt: AttemptId,
    /// What to fetch.
    pub source: Source,
    /// The command, given to `/bin/sh -c` in the source's folder.
    pub command: String,
    /// The folder to publish; `None` when nothing is deployed.
    pub publish: Option<PublishPath>,
    /// Plain environment variables of the command.
    pub env: BTreeMap<String, String>,
    /// Secret environment variables of the command. Masked in the log.
    pub secrets: BTreeMap<String, SecretString>,
    /// A private key for an `ssh` repository, without a passphrase. The runner alone sees it, and only while it fetches.
    pub credential: Option<SecretString>,
    /// Folders to restore before the command and to save after it.
    pub caches: Vec<CacheSpec>,
    /// The image that the runner is in, as a part of the caches' keys; `None` when it is in none.
    pub image: Option<String>,
    /// The user and group id that the command runs as, apart from the runner; `None`: as the runner itself. The executor
    /// sets it. It is 1 to 2³¹ − 2, and the same id with the highest bit is nobody's: under that one the runner is out of the
    /// command's reach when it kills all processes of the user.
    pub user: Option<u32>,
    /// Where to report.
    pub gateway: GatewayAccess,
    /// What the host allows.
    pub rules: JobRules,
}

/// The gateway's address and the token for one attempt.
#[derive(Clone, Debug)]
pub struct GatewayAccess {
    /// The gateway's base URL, for example `http://127.0.0.1:4180`.
    pub url: String,
    /// Bound to attempt and tenant. The command never sees it.
    pub token: SecretString,
}

/// What a host allows its runners: bounds and times. Plain data with defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRules {
    /// How long a runner works on without an answer from the gateway; then it kills its process group. Default 60 s:
    /// long enough for a scheduler to restart, short enough to move builds off a hung host soon.
    pub lease: Duration,
    /// The longest run, fetch and upload included. From the build's [`Limits`](super::Limits).
    pub run: Duration,
    /// The time between TERM and KILL. Default 10 s, as container daemons have it.
    pub grace: Duration,
    /// Log bytes kept; past it the log ends with a `truncated` mark. Default 64 MiB.
    pub log_bytes: u64,
    /// Bytes kept of a line of the log; past it the line ends with a mark. Default 64 KiB: readers may take a line as a
    /// whole, and what people read is far shorter.
    pub log_line_bytes: u64,
    /// How fast the log may grow, in bytes a second after a burst of one second's bytes. A command that prints faster waits
    /// on its output; nothing is lost. Default 8 MiB: far more than tools print, and little for a disk that builds share.
    pub log_bytes_per_second: u64,
    /// The most processes and threads of the command at once. It holds where the command has a user of its own, for the
    /// system counts them by user. Default 4,096.
    pub processes: u64,
    /// The most files of a deploy. Default 100,000.
    pub publish_files: u64,
    /// The most bytes of a deploy. Default 4 GiB.
    pub publish_bytes: u64,
    /// The most files of one cache entry. Default 500,000.
    pub cache_files: u64,
    /// The most bytes of one cache entry, unpacked. Default 4 GiB.
    pub cache_bytes: u64,
    /// The longest that all caches together take to restore, and again to save; past it the build goes on without.
    /// Default 2 minutes.
    pub cache_time: Duration,
    /// The most files of a source, links included, and the most folders. Default 500,000: five times what a large
    /// repository of a site has.
    pub source_files: u64,
    /// The most bytes of a source: of its pack as it comes, and of its files. Default 4 GiB.
    pub source_bytes: u64,
    /// The most bytes of one object of a source: of a file, or of the list of a folder. Default 128 MiB: the large hosts of
    /// repositories take no file over 100 MiB. It bounds the memory of a runner that fetches, which holds some copies of
    /// one object at a time.
    pub source_object_bytes: u64,
    /// Whether `file` repositories may be fetched. Default no: a build could read the host's files.
    pub allow_file: bool,
    /// The hosts that `ssh` repositories may be on, as lines of OpenSSH's `known_hosts`. Default none given: then the
    /// image's `/etc/ssh/ssh_known_hosts` counts.
    #[serde(default)]
    pub ssh_known_hosts: Option<String>,
}

impl Default for JobRules {
    fn default() -> Self {
        JobRules {
            lease: Duration::from_secs(60),
            run: Duration::from_secs(30 * 60),
            grace: Duration::from_secs(10),
            log_bytes: 64 << 20,
            log_line_bytes: 64 << 10,
            log_bytes_per_second: 8 << 20,
            processes: 4096,
            publish_files: 100_000,
            publish_bytes: 4 << 30,
            cache_files: 500_000,
            cache_bytes: 4 << 30,
            cache_time: Duration::from_secs(2 * 60),
            source_files: 500_000,
            source_bytes: 4 << 30,
            source_object_bytes: 128 << 20,
            allow_file: false,
            ssh_known_hosts: None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    attempt: AttemptId,
    source: Source,
    command: String,
    publish: Option<PublishPath>,
    env: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    credential: Option<String>,
    caches: Vec<CacheSpec>,
    image: Option<String>,
    user: Option<u32>,
    gateway_url: String,
    gateway_token: String,
    rules: JobRules,
}

impl Job {
    /// The job as JSON, with the values of its secrets: that is why it is a [`SecretString`].
    pub fn to_wire(&self) -> SecretString {
        let expose = |(name, value): (&String, &SecretString)| (name.clone(), value.expose_secret().to_owned());
        let wire = Wire {
            attempt: self.attempt.clone(),
            source: self.source.clone(),
            command: self.command.clone(),
            publish: self.publish.clone(),
            env: self.env.clone(),
            secrets: self.secrets.iter().map(expose).collect(),
            credential: self.credential.as_ref().map(|key| key.expose_secret().to_owned()),
            caches: self.caches.clone(),
            image: self.image.clone(),
            user: self.user,
            gateway_url: self.gateway.url.clone(),
            gateway_token: self.gateway.token.expose_secret().to_owned(),
            rules: self.rules.clone(),
        };
        let json = serde_json::to_string(&wire).expect("maps of strings and plain structs are always JSON");
        SecretString::from(json)
    }

    /// Reads what [`to_wire`](Self::to_wire) wrote.
    ///
    /// # Errors
    /// [`UnreadableJob`], which tells where the text stops being a job and repeats nothing of it.
    pub fn from_wire(text: &str) -> Result<Self, UnreadableJob> {
        let wire: Wire = serde_json::from_str(text).map_err(|error| UnreadableJob {
            line: error.line(),
            column: error.column(),
            bytes: text.len(),
        })?;
        Ok(Job {
            attempt: wire.attempt,
            source: wire.source,
            command: wire.command,
            publish: wire.publish,
            env: wire.env,
            secrets: wire.secrets.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect(),
            credential: wire.credential.map(SecretString::from),
            caches: wire.caches,
            image: wire.image,
            user: wire.user,
            gateway: GatewayAccess { url: wire.gateway_url, token: SecretString::from(wire.gateway_token) },
            rules: wire.rules,
        })
    }
}

/// A job that is cut off or was written by another version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job of {bytes} bytes cannot be read at line {line}, column {column}: cut off, or of another version")]
pub struct UnreadableJob {
    /// The line of the error, from 1.
    pub line: usize,
    /// Its column.
    pub column: usize,
    /// The length of the text.
    pub bytes: usize,
}

/// A part of an attempt as the runner goes through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunPhase {
    /// Fetching the source.
    Fetch,
    /// Restoring the caches.
    Restore,
    /// Running the command.
    Run,
    /// Checking the publish folder and hashing its files.
    Collect,
    /// Uploading the files that the origin lacks, and the manifest.
    Upload,
    /// Saving the caches whose keys are new.
    Save,
}

impl RunPhase {
    /// The name in lower case: `fetch`.
    pub fn label(self) -> &'static str {
        match self {
            RunPhase::Fetch => "fetch",
            RunPhase::Restore => "restore",
            RunPhase::Run => "run",
            RunPhase::Collect => "collect",
            RunPhase::Upload => "upload",
            RunPhase::Save => "save",
        }
    }
}

/// How long a phase took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// The phase.
    pub phase: RunPhase,
    /// When it began.
    pub began_at: Timestamp,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// What a runner says at the end of an attempt: to the gateway, and in the exit record that it leaves on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The phases in the order they ran.
    pub phases: Vec<PhaseTime>,
    /// The commit that was fetched, when the fetch came that far.
    pub commit: Option<String>,
    /// The length of the whole log, in bytes.
    pub log_bytes: u64,
}

impl Report {
    /// A report of an attempt that never came to its first phase.
    pub fn of(outcome: Outcome) -> Self {
        Report { outcome, phases: Vec::new(), commit: None, log_bytes: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, AttemptNumber, BuildId, BuildKey, ProjectId, RepositoryUrl, Revision};

    fn job() -> Job {
        let build = BuildKey {
            account: AccountId::new("a").unwrap(),
            project: ProjectId::new("p").unwrap(),
            build: BuildId::new(Timestamp::EPOCH, [0; 10]),
        };
        Job {
            attempt: build.attempt(AttemptNumber::FIRST),
            source: Source {
                repository: RepositoryUrl::parse("https://git.example/r").unwrap(),
                revision: Revision::parse("main").unwrap(),
            },
            command: "make".to_owned(),
            publish: None,
            env: BTreeMap::new(),
            secrets: [("KEY".to_owned(), SecretString::from("canary-1"))].into(),
            credential: Some(SecretString::from("canary-3")),
            caches: Vec::new(),
            image: None,
            user: None,
            gateway: GatewayAccess { url: "http://127.0.0.1:1".to_owned(), token: SecretString::from("canary-2") },
            rules: JobRules::default(),
        }
    }

    #[test]
    fn a_job_crosses_the_wire_and_debug_shows_no_secret() {
        let job = job();
        let read = Job::from_wire(job.to_wire().expose_secret()).unwrap();
        assert_eq!(read.secrets["KEY"].expose_secret(), "canary-1");
        assert_eq!(read.credential.as_ref().unwrap().expose_secret(), "canary-3");
        assert_eq!(read.gateway.token.expose_secret(), "canary-2");
        assert!(!format!("{read:?}").contains("canary"));
    }

    #[test]
    fn a_cut_job_is_refused_without_repeating_it() {
        let wire = job().to_wire();
        let text = wire.expose_secret();
        for end in 0..text.len() {
            let error = Job::from_wire(&text[..end]).unwrap_err();
            assert!(!error.to_string().contains("canary"));
        }
    }
}
