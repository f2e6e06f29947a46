//! What the events of every provider say, in one form.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDateTime};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Label, Reason, Refusal, RepositoryId};
use crate::model::Timestamp;

/// A request that was read: its repository, if it says one, and what happened there.
pub(super) struct Payload {
    pub(super) repository: Option<RepositoryId>,
    pub(super) changes: Vec<Change>,
}

/// One thing that happened.
pub(super) enum Change {
    Push(Push),
    PullRequest(PullRequest),
    Nothing(Reason),
}

/// A branch was created or moved.
pub(super) struct Push {
    /// The full ref; it begins with [`BRANCHES`].
    pub(super) full_ref: String,
    pub(super) before: Option<String>,
    pub(super) after: String,
    /// When it was, where the provider tells that.
    pub(super) at: Option<Stamp>,
    pub(super) url: String,
}

/// A pull request has commits to build.
pub(super) struct PullRequest {
    /// What happened to it, in the word of the event's key.
    pub(super) event: &'static str,
    pub(super) number: u64,
    pub(super) before: Option<String>,
    pub(super) head: String,
    /// What is fetched: the head, or the branch where the provider shortens commit ids.
    pub(super) revision: String,
    /// When it was, where the provider tells that.
    pub(super) at: Option<Stamp>,
    pub(super) origin: Origin,
}

/// Where a pull request's commits come from, judged by repository ids.
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
    /// When it was, where the provider tells that.
    pub(super) fn time(&self) -> Option<Timestamp> {
        let stamp = match self {
            Change::Push(push) => push.at.as_ref(),
            Change::PullRequest(request) => request.at.as_ref(),
            Change::Nothing(_) => None,
        };
        stamp.and_then(Stamp::time)
    }

    /// A ref went from `before` to `after`; zeros or `None` stand for "not there".
    pub(super) fn of_ref(
        full_ref: String,
        before: Option<String>,
        after: Option<String>,
        at: Option<Stamp>,
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
    serde_json::from_str(body).map_err(|error| Refusal::Payload(Label::new(&words(&error))))
}

/// What is wrong, without repeating the field's value: a clone URL may hold credentials.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if error.is_data() && text.starts_with("invalid") {
        format!("a field is not of its type at line {} column {}", error.line(), error.column())
    } else {
        text
    }
}

/// A repository id that the provider's rules refuse.
pub(super) fn unknown_id(error: &super::InvalidRepositoryId) -> Refusal {
    Refusal::Payload(Label::new(&error.to_string()))
}

/// When an event was, as the Git host wrote it: seconds, or a text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Stamp {
    Seconds(u64),
    Text(String),
}

impl Stamp {
    /// As it stands, for a key.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Stamp::Seconds(seconds) => Cow::Owned(seconds.to_string()),
            Stamp::Text(text) => Cow::Borrowed(text),
        }
    }

    /// The time, if the text is one: `2026-05-15T15:20:33Z`, or GitLab's `2026-05-15 15:20:33 UTC`.
    pub(super) fn time(&self) -> Option<Timestamp> {
        let seconds = match self {
            Stamp::Seconds(seconds) => *seconds,
            Stamp::Text(text) => {
                let time = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp());
                let utc = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S UTC");
                let seconds = time.or_else(|_| utc().map(|time| time.and_utc().timestamp()));
                seconds.ok().and_then(|seconds| u64::try_from(seconds).ok())?
            }
        };
        seconds.checked_mul(1000).map(Timestamp::from_millis)
    }
}
