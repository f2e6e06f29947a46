//! What the events of every provider say, in one form.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Label, Reason, Refusal, RepositoryId};

/// A request that was read: its repository, if it says one, and what happened there.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) repository: Option<RepositoryId>,
    pub(super) changes: Vec<Change>,
}

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Change {
    Push(Push),
    PullRequest(PullRequest),
    Nothing(Reason),
}

/// A branch was created or moved.
#[derive(Debug)]
pub(super) struct Push {
    /// The full ref; it begins with [`BRANCHES`].
    pub(super) full_ref: String,
    pub(super) before: Option<String>,
    pub(super) after: String,
    /// The signed time of the push, where the provider tells one.
    pub(super) at: Option<String>,
    pub(super) url: String,
}

/// A pull request has commits to build.
#[derive(Debug)]
pub(super) struct PullRequest {
    /// What happened to it, in the word of the event's key.
    pub(super) event: &'static str,
    pub(super) number: u64,
    pub(super) before: Option<String>,
    pub(super) head: String,
    /// What is fetched: the head, or the branch where the provider shortens commit ids.
    pub(super) revision: String,
    /// The signed time of the event, where the provider tells one.
    pub(super) at: Option<String>,
    pub(super) origin: Origin,
}

/// Where a pull request's commits come from, judged by repository ids.
#[derive(Debug)]
pub(super) enum Origin {
    /// A branch of the repository itself, fetched from this URL.
    Own { url: String },
    /// A fork whose commits the Git host keeps in the repository, fetched from this URL of the repository.
    Fork { url: String },
    /// A fork that only has its commits itself, at this URL; `None` when it is gone.
    ForkElsewhere { url: Option<String> },
}

impl Payload {
    /// Nothing, whatever the repository.
    pub(super) fn nothing(reason: Reason) -> Self {
        Payload { repository: None, changes: vec![Change::Nothing(reason)] }
    }

    pub(super) fn of(repository: RepositoryId, changes: Vec<Change>) -> Self {
        Payload { repository: Some(repository), changes }
    }
}

/// The beginning of a branch's full ref.
pub(super) const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

impl Change {
    /// A ref went from `before` to `after`; zeros or `None` stand for "not there".
    pub(super) fn of_ref(
        full_ref: String,
        before: Option<String>,
        after: Option<String>,
        at: Option<String>,
        url: String,
    ) -> Self {
        let before = before.filter(|id| !is_zero(id));
        let after = after.filter(|id| !is_zero(id));
        if let Some(tag) = full_ref.strip_prefix(TAGS) {
            return Change::Nothing(Reason::Tag { name: Label::new(tag) });
        }
        let Some(branch) = full_ref.strip_prefix(BRANCHES) else {
            return Change::Nothing(Reason::NotABranch { name: Label::new(&full_ref) });
        };
        match after {
            None => Change::Nothing(Reason::BranchDeleted { branch: Label::new(branch) }),
            Some(after) if before.as_ref() == Some(&after) => {
                Change::Nothing(Reason::NotMoved { name: Label::new(branch) })
            }
            Some(after) => Change::Push(Push { full_ref, before, after, at, url }),
        }
    }
}

/// Git's way to write "no commit".
fn is_zero(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte == b'0')
}

/// Reads JSON into what is known of an event; unknown fields are ignored.
pub(super) fn read<T: DeserializeOwned>(body: &str) -> Result<T, Refusal> {
    serde_json::from_str(body).map_err(|error| Refusal::Payload(Label::new(&error.to_string())))
}

/// A repository id that the provider's rules refuse.
pub(super) fn unknown_id(error: &super::InvalidRepositoryId) -> Refusal {
    Refusal::Payload(Label::new(&error.to_string()))
}

/// A time that goes into a key, as a number or a text: it is compared and never read.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Stamp {
    Number(u64),
    Text(String),
}

impl From<Stamp> for String {
    fn from(stamp: Stamp) -> String {
        match stamp {
            Stamp::Number(number) => number.to_string(),
            Stamp::Text(text) => text,
        }
    }
}
