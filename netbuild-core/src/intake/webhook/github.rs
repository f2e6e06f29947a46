//! GitHub's events. The shapes are those of GitHub's "Webhook events and payloads"; only the fields that decide are here.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::change::{Change, Origin, Payload, PullRequest, Stamp, read, unknown_id};
use super::{GitHost, Label, Reason, Refusal, RepositoryId};

#[derive(Deserialize)]
struct PushEvent {
    r#ref: String,
    before: String,
    after: String,
    repository: PushedRepository,
}

#[derive(Deserialize)]
struct PushedRepository {
    id: u64,
    clone_url: String,
    /// The time of this push, in seconds. A branch that is forced back and forth between two commits repeats `before`
    /// and `after`; this tells the pushes apart.
    pushed_at: Option<Stamp>,
}

#[derive(Deserialize)]
struct PullRequestEvent {
    action: String,
    before: Option<String>,
    pull_request: PullRequestFields,
    repository: Repository,
}

#[derive(Deserialize)]
struct PullRequestFields {
    number: u64,
    updated_at: Option<Stamp>,
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    sha: String,
    /// `null` when the fork was deleted.
    repo: Option<HeadRepository>,
}

#[derive(Deserialize)]
struct HeadRepository {
    id: u64,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
    clone_url: String,
}

/// Reads the body of the event that `X-GitHub-Event` names.
pub(super) fn parse(host: &GitHost, event: &str, body: &str) -> Result<Payload, Refusal> {
    match event {
        "push" => push(host, read(body)?),
        "pull_request" => pull_request(host, read(body)?),
        _ => {
            let IgnoredAny = read(body)?;
            Ok(Payload::nothing(other(event)))
        }
    }
}

fn other(event: &str) -> Reason {
    match event {
        "ping" => Reason::Ping,
        "create" | "delete" => Reason::ToldByPush { event: Label::new(event) },
        _ => Reason::EventNotBuilt { event: Label::new(event) },
    }
}

fn push(host: &GitHost, event: PushEvent) -> Result<Payload, Refusal> {
    let PushedRepository { id, clone_url, pushed_at } = event.repository;
    let change = Change::of_ref(event.r#ref, Some(event.before), Some(event.after), pushed_at, clone_url);
    Ok(Payload::of(repository(host, id)?, vec![change]))
}

fn pull_request(host: &GitHost, event: PullRequestEvent) -> Result<Payload, Refusal> {
    let Repository { id, clone_url } = event.repository;
    let word = match event.action.as_str() {
        "opened" => Ok("pull_request.opened"),
        "reopened" => Ok("pull_request.reopened"),
        "synchronize" => Ok("pull_request.synchronize"),
        "closed" => Err(Reason::PullRequestClosed),
        other => Err(Reason::NoNewCommits { action: Label::new(other) }),
    };
    let change = match word {
        Err(reason) => Change::Nothing(reason),
        Ok(word) => {
            let PullRequestFields { number, updated_at, head } = event.pull_request;
            // By ids: a fork can have any name. The commits of forks stand in the repository as refs/pull/…/head.
            let own = head.repo.is_some_and(|repo| repo.id == id);
            Change::PullRequest(PullRequest {
                event: word,
                number,
                before: event.before,
                revision: head.sha.clone(),
                head: head.sha,
                at: updated_at,
                origin: if own { Origin::Own { url: clone_url } } else { Origin::Fork { url: clone_url } },
            })
        }
    };
    Ok(Payload::of(repository(host, id)?, vec![change]))
}

fn repository(host: &GitHost, id: u64) -> Result<RepositoryId, Refusal> {
    RepositoryId::new(host.clone(), &id.to_string()).map_err(|error| unknown_id(&error))
}
