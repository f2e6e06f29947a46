//! GitLab's events. The shapes are those of GitLab's "Webhook events"; only the fields that decide are here.

use serde::Deserialize;

use super::change::{Change, Origin, Payload, PullRequest, Stamp, read, unknown_id};
use super::{GitHost, Label, Reason, Refusal, RepositoryId};

/// The body names its event itself, and the header beside it only repeats that.
#[derive(Deserialize)]
struct Kind {
    object_kind: Option<String>,
}

#[derive(Deserialize)]
struct PushEvent {
    r#ref: String,
    before: String,
    after: String,
    project: Project,
}

#[derive(Deserialize)]
struct Project {
    id: u64,
    git_http_url: String,
}

#[derive(Deserialize)]
struct MergeRequestEvent {
    project: Project,
    object_attributes: MergeRequest,
}

#[derive(Deserialize)]
struct MergeRequest {
    iid: u64,
    /// Absent in test events.
    action: Option<String>,
    /// The head before an update that brought commits; absent when it brought none.
    oldrev: Option<String>,
    /// `null` when the fork was deleted.
    source_project_id: Option<u64>,
    target_project_id: u64,
    updated_at: Option<Stamp>,
    /// `null` when the source branch holds nothing of its own.
    last_commit: Option<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
}

/// Reads a body; `event` is what `X-Gitlab-Event` says, for a body that does not name its event.
pub(super) fn parse(host: &GitHost, event: &str, body: &str) -> Result<Payload, Refusal> {
    let kind: Kind = read(body)?;
    match kind.object_kind.as_deref() {
        Some("push" | "tag_push") => push(host, read(body)?),
        Some("merge_request") => merge_request(host, read(body)?),
        other => Ok(Payload::nothing(Reason::EventNotBuilt { event: Label::new(other.unwrap_or(event)) })),
    }
}

fn push(host: &GitHost, event: PushEvent) -> Result<Payload, Refusal> {
    let Project { id, git_http_url } = event.project;
    let change = Change::of_ref(event.r#ref, Some(event.before), Some(event.after), None, git_http_url);
    Ok(Payload::of(repository(host, id)?, vec![change]))
}

fn merge_request(host: &GitHost, event: MergeRequestEvent) -> Result<Payload, Refusal> {
    let Project { id, git_http_url: url } = event.project;
    let request = event.object_attributes;
    let action = request.action.unwrap_or_default();
    let word = match (action.as_str(), &request.oldrev) {
        ("open", _) => Ok("merge_request.open"),
        ("reopen", _) => Ok("merge_request.reopen"),
        ("update", Some(_)) => Ok("merge_request.update"),
        ("close" | "merge", _) => Err(Reason::PullRequestClosed),
        (other, _) => Err(Reason::NoNewCommits { action: Label::new(other) }),
    };
    let change = match (word, request.last_commit) {
        (Err(reason), _) => Change::Nothing(reason),
        (Ok(_), None) => Change::Nothing(Reason::NoCommits),
        (Ok(word), Some(Commit { id: head })) => {
            // By ids. The commits of forks stand in the target project as refs/merge-requests/…/head.
            let own = request.source_project_id == Some(id) && request.target_project_id == id;
            Change::PullRequest(PullRequest {
                event: word,
                number: request.iid,
                before: request.oldrev,
                revision: head.clone(),
                head,
                at: request.updated_at,
                origin: if own { Origin::Own { url } } else { Origin::Fork { url } },
            })
        }
    };
    Ok(Payload::of(repository(host, id)?, vec![change]))
}

fn repository(host: &GitHost, id: u64) -> Result<RepositoryId, Refusal> {
    RepositoryId::new(host.clone(), &id.to_string()).map_err(|error| unknown_id(&error))
}
