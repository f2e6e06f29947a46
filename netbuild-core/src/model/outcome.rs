//! How an attempt ended, and whose fault it was: one closed taxonomy for every executor.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Digest;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Outcome {
    /// The command ended with 0 and everything asked for was uploaded. Only positive evidence makes this.
    Succeeded {
        /// The deploy that was uploaded; `None` when the build publishes nothing.
        deploy: Option<DeployInfo>,
    },
    /// It failed.
    Failed(Failure),
    /// It was stopped because a cancel was asked.
    Cancelled,
}

/// What a runner uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployInfo {
    /// The digest of its manifest.
    pub manifest: Digest,
    /// How many files it has.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
    /// How many of them the origin lacked and were uploaded.
    pub uploaded: u64,
}

/// A failure: its cause, and the raw evidence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The cause; owner and retry place follow from it.
    pub cause: Cause,
    /// What was seen, as the backend said it: bounded by [`MAX_EVIDENCE_BYTES`], masked, for people only. No decision
    /// reads it.
    pub evidence: String,
}

/// The longest evidence, in bytes; longer texts are cut at the end.
pub const MAX_EVIDENCE_BYTES: usize = 4096;

impl Failure {
    /// A failure with its evidence, cut to [`MAX_EVIDENCE_BYTES`].
    pub fn new(cause: Cause, evidence: impl Into<String>) -> Self {
        let mut evidence = evidence.into();
        if evidence.len() > MAX_EVIDENCE_BYTES {
            let cut = (0..=MAX_EVIDENCE_BYTES).rev().find(|&at| evidence.is_char_boundary(at)).unwrap_or(0);
            evidence.truncate(cut);
        }
        Failure { cause, evidence }
    }

    /// Whose fault it was.
    pub fn owner(&self) -> Owner {
        self.cause.owner()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (owner {})", self.cause, self.owner())?;
        if self.evidence.is_empty() { Ok(()) } else { write!(f, ": {}", self.evidence) }
    }
}

/// Whose fault a failure is. It decides who is told and whether a retry is ours to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The customer's code, command or repository.
    Customer,
    /// What the customer or host configured: an image name, a missing secret, a size that fits nowhere.
    Config,
    /// Machines, nodes, disks, networks, registries.
    Infrastructure,
    /// netbuild or the host application.
    Platform,
    /// It cannot be told.
    Unknown,
}

impl Owner {
    /// The name in lower case, for metrics and reports: `customer`.
    pub fn label(self) -> &'static str {
        match self {
            Owner::Customer => "customer",
            Owner::Config => "config",
            Owner::Infrastructure => "infrastructure",
            Owner::Platform => "platform",
            Owner::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Where a retry has a chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAt {
    /// Nowhere: the same thing would happen again, or it is not ours to repeat.
    Nowhere,
    /// On the same executor.
    SameExecutor,
    /// On another machine of the executor.
    OtherHost,
    /// On another executor.
    OtherExecutor,
}

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident $({ $($(#[$fdoc:meta])* $field:ident : $type:ty),+ })? => $owner:ident, $retry:ident, $text:literal;)+) => {
        /// Why an attempt, or a build, failed. Each cause has one owner and one place for a retry; both are in the table
        /// that this enum is made of, next to each other, so that no second table can disagree.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case", tag = "cause")]
        pub enum Cause {
            $($(#[$doc])* $name $({ $($(#[$fdoc])* $field: $type),+ })?,)+
        }

        impl Cause {
            /// Whose fault it is.
            pub fn owner(&self) -> Owner {
                match self { $(Cause::$name { .. } => Owner::$owner,)+ }
            }

            /// Where a retry has a chance.
            pub fn retry_at(&self) -> RetryAt {
                match self { $(Cause::$name { .. } => RetryAt::$retry,)+ }
            }

            /// A stable lower-case name for metrics: `command_failed`.
            pub fn label(&self) -> &'static str {
                match self { $(Cause::$name { .. } => $text,)+ }
            }
        }
    };
}

causes! {
    /// The command ended with a code other than 0, which is kept as it is.
    CommandFailed {
        /// The exit code.
        code: i32
    } => Customer, Nowhere, "command_failed";
    /// The command was killed by a signal that netbuild did not send.
    CommandKilled {
        /// The signal's number.
        signal: i32
    } => Customer, Nowhere, "command_killed";
    /// The build passed its own memory limit. Read before the exit code: it can come with exit 0.
    OutOfMemory => Customer, Nowhere, "out_of_memory";
    /// The build passed its own disk limit.
    OutOfDisk => Customer, Nowhere, "out_of_disk";
    /// The build passed its run limit.
    RunTimeout => Customer, Nowhere, "run_timeout";
    /// The commit or ref is not in the repository, or there is no repository.
    SourceNotFound => Customer, Nowhere, "source_not_found";
    /// The repository refused the credentials, or asked for some.
    SourceDenied => Customer, Nowhere, "source_denied";
    /// The publish folder is missing, empty or holds something that cannot be published.
    PublishInvalid => Customer, Nowhere, "publish_invalid";
    /// The deploy is over the host's limits on files or bytes.
    PublishTooLarge => Customer, Nowhere, "publish_too_large";

    /// The source's transport or address is not allowed by the host, or the runner cannot speak it.
    SourceRefused => Config, Nowhere, "source_refused";
    /// The specification cannot be run: a variable's name, a size, a label.
    SpecInvalid => Config, Nowhere, "spec_invalid";
    /// A secret that the build refers to does not exist.
    SecretMissing => Config, Nowhere, "secret_missing";
    /// The image does not exist, or its name is malformed, or access is denied.
    ImageInvalid => Config, Nowhere, "image_invalid";
    /// No machine of the executor can ever hold the build.
    NeverFits => Config, OtherExecutor, "never_fits";
    /// The route names an executor that the host did not wire.
    NoExecutor => Config, Nowhere, "no_executor";

    /// The repository's host cannot be reached, or failed.
    SourceUnavailable => Infrastructure, SameExecutor, "source_unavailable";
    /// The image could not be pulled for a reason of the registry or network.
    ImagePullFailed => Infrastructure, OtherHost, "image_pull_failed";
    /// It is gone without a trace: a vanished pod, container or process. Never a success.
    Lost => Infrastructure, SameExecutor, "lost";
    /// The machine it ran on is gone.
    HostLost => Infrastructure, OtherHost, "host_lost";
    /// The executor moved it out: eviction, drain, node shutdown.
    Evicted => Infrastructure, OtherHost, "evicted";
    /// Something of a higher priority took its place.
    Preempted => Infrastructure, SameExecutor, "preempted";
    /// Somebody else deleted or killed it.
    DeletedByOthers => Infrastructure, SameExecutor, "deleted_by_others";
    /// The container daemon restarted under it.
    DaemonRestarted => Infrastructure, SameExecutor, "daemon_restarted";
    /// The machine's own disk is full or failing.
    HostDisk => Infrastructure, OtherHost, "host_disk";
    /// The runner had no answer from the gateway until its lease ended, and stopped by itself.
    LeaseLost => Infrastructure, SameExecutor, "lease_lost";
    /// It did not run within its pending limit.
    PendingTimeout => Infrastructure, OtherHost, "pending_timeout";
    /// It was not started within its queue limit.
    QueueTimeout => Infrastructure, Nowhere, "queue_timeout";
    /// The files or the manifest could not be uploaded.
    UploadFailed => Infrastructure, SameExecutor, "upload_failed";
    /// The executor refused the start for a reason of its own.
    ExecutorRefused => Infrastructure, OtherExecutor, "executor_refused";

    /// The runner could not be started, broke, or left no readable record.
    RunnerBroken => Platform, SameExecutor, "runner_broken";
    /// A part of the platform broke its contract.
    Internal => Platform, Nowhere, "internal";

    /// The end of the attempt cannot be known, and it may have had effects.
    Unknown => Unknown, Nowhere, "unknown";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::CommandFailed { code } => write!(f, "command failed with exit code {code}"),
            Cause::CommandKilled { signal } => write!(f, "command killed by signal {signal}"),
            other => f.write_str(&other.label().replace('_', " ")),
        }
    }
}

impl Outcome {
    /// The exit code of the command, where one was seen.
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Outcome::Succeeded { .. } => Some(0),
            Outcome::Failed(Failure { cause: Cause::CommandFailed { code }, .. }) => Some(*code),
            Outcome::Failed(_) | Outcome::Cancelled => None,
        }
    }

    /// The failure, if it is one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Succeeded { .. } | Outcome::Cancelled => None,
        }
    }

    /// A stable lower-case name for metrics and reports: `succeeded`, `cancelled` or the cause's label.
    pub fn label(&self) -> &'static str {
        match self {
            Outcome::Succeeded { .. } => "succeeded",
            Outcome::Failed(failure) => failure.cause.label(),
            Outcome::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customers_failure_is_never_retried_and_infrastructure_is_never_theirs() {
        assert_eq!(Cause::CommandFailed { code: 3 }.owner(), Owner::Customer);
        assert_eq!(Cause::CommandFailed { code: 3 }.retry_at(), RetryAt::Nowhere);
        assert_eq!(Cause::Lost.owner(), Owner::Infrastructure);
        assert_eq!(Cause::HostLost.retry_at(), RetryAt::OtherHost);
    }

    #[test]
    fn causes_read_back_from_their_labels() {
        let outcome = Outcome::Failed(Failure::new(Cause::CommandFailed { code: 3 }, "x"));
        let json = serde_json::to_string(&outcome).unwrap();
        assert_eq!(json, r#"{"result":"failed","cause":{"cause":"command_failed","code":3},"evidence":"x"}"#);
        assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), outcome);
        assert_eq!(outcome.exit_code(), Some(3));
    }

    #[test]
    fn evidence_is_cut_at_a_character() {
        let failure = Failure::new(Cause::Lost, "ä".repeat(MAX_EVIDENCE_BYTES));
        assert_eq!(failure.evidence.len(), MAX_EVIDENCE_BYTES);
    }
}
