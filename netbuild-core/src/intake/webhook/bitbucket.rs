//! Bitbucket Cloud's events. The shapes are those of Bitbucket's "Event payloads"; only the fields that decide are here.

use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::change::{BRANCHES, Change, Origin, Payload, PullRequest, read, unknown_id};
use super::{GitHost, Label, Reason, Refusal, RepositoryId};

/// The most changes in one push. Each costs memory and a place in the outbox.
const MAX_CHANGES: usize = 1000;

#[derive(Deserialize)]
struct PushEvent {
    repository: Repository,
    push: Pushed,
}

#[derive(Deserialize)]
struct Repository {
    uuid: String,
    full_name: String,
}

#[derive(Deserialize)]
struct Pushed {
    #[serde(deserialize_with = "bounded")]
    changes: Vec<RefChange>,
}

#[derive(Deserialize)]
struct RefChange {
    /// `null` when the ref was created.
    old: Option<RefState>,
    /// `null` when the ref was deleted.
    new: Option<RefState>,
}

#[derive(Deserialize)]
struct RefState {
    r#type: String,
    name: String,
    target: Commit,
}

#[derive(Deserialize)]
struct Commit {
    hash: String,
}

#[derive(Deserialize)]
struct PullRequestEvent {
    repository: Repository,
    pullrequest: PullRequestFields,
}

#[derive(Deserialize)]
struct PullRequestFields {
    id: u64,
    /// Bodies of all events of pull requests have it. Bitbucket signs the body and not the name of the event, so this says
    /// what the name alone would not prove.
    state: Option<String>,
    source: Side,
}

#[derive(Deserialize)]
struct Side {
    branch: Branch,
    /// `null` when the branch was deleted.
    commit: Option<Commit>,
    /// `null` when the fork was deleted.
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
}

/// Reads the body of the event that `X-Event-Key` names.
pub(super) fn parse(host: &GitHost, event: &str, body: &str) -> Result<Payload, Refusal> {
    match event {
        "repo:push" => push(host, read(body)?),
        "pullrequest:created" | "pullrequest:updated" => pull_request(host, read(body)?),
        _ => {
            let IgnoredAny = read(body)?;
            Ok(Payload::nothing(other(event)))
        }
    }
}

fn other(event: &str) -> Reason {
    match event {
        "pullrequest:fulfilled" | "pullrequest:rejected" => Reason::PullRequestClosed,
        _ => Reason::EventNotBuilt { event: Label::new(event) },
    }
}

fn push(host: &GitHost, event: PushEvent) -> Result<Payload, Refusal> {
    let url = clone_url(host, &event.repository);
    let mut changes: Vec<_> = event.push.changes.into_iter().map(|change| of_change(change, &url)).collect();
    if changes.is_empty() {
        changes.push(Change::Nothing(Reason::EmptyPush));
    }
    Ok(Payload::of(repository(host, &event.repository)?, changes))
}

fn of_change(RefChange { old, new }: RefChange, url: &str) -> Change {
    let Some(state) = new.as_ref().or(old.as_ref()) else { return Change::Nothing(Reason::EmptyPush) };
    // Bitbucket tells kind and name apart; a full ref is what everybody else says. A kind that is neither branch nor
    // tag is no branch.
    let full_ref = match state.r#type.as_str() {
        "branch" | "named_branch" => format!("{BRANCHES}{}", state.name),
        kind => format!("refs/{kind}s/{}", state.name),
    };
    let hash = |state: RefState| state.target.hash;
    Change::of_ref(full_ref, old.map(hash), new.map(hash), None, url.to_owned())
}

fn pull_request(host: &GitHost, event: PullRequestEvent) -> Result<Payload, Refusal> {
    let id = repository(host, &event.repository)?;
    let PullRequestFields { id: number, state, source } = event.pullrequest;
    if state.is_some_and(|state| state != "OPEN") {
        return Ok(Payload::of(id, vec![Change::Nothing(Reason::PullRequestClosed)]));
    }
    let Side { branch, commit, repository: fork } = source;
    let Some(Commit { hash }) = commit else {
        return Ok(Payload::of(id, vec![Change::Nothing(Reason::NoCommits)]));
    };
    // By ids. Bitbucket keeps a fork's commits in the fork only.
    let origin = match fork {
        Some(fork) if repository(host, &fork)? == id => Origin::Own { url: clone_url(host, &event.repository) },
        fork => Origin::ForkElsewhere { url: fork.map(|fork| clone_url(host, &fork)) },
    };
    let change = Change::PullRequest(PullRequest {
        // Creation and update have one word: an update of the title alone repeats the head, and is no build.
        event: "pullrequest",
        number,
        before: None,
        // Bitbucket shortens the ids of pull requests to 12 digits, which nobody can fetch: then it is the branch.
        revision: if matches!(hash.len(), 40 | 64) { hash.clone() } else { format!("{BRANCHES}{}", branch.name) },
        head: hash,
        at: None,
        origin,
    });
    Ok(Payload::of(id, vec![change]))
}

fn repository(host: &GitHost, repository: &Repository) -> Result<RepositoryId, Refusal> {
    RepositoryId::new(host.clone(), &repository.uuid).map_err(|error| unknown_id(&error))
}

/// Payloads hold no clone URL; it is the repository's page with `.git`.
fn clone_url(host: &GitHost, repository: &Repository) -> String {
    format!("https://{}/{}.git", host.name(), repository.full_name)
}

/// A list that is refused before it grows past [`MAX_CHANGES`].
fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RefChange>, D::Error> {
    struct Bounded;

    impl<'de> Visitor<'de> for Bounded {
        type Value = Vec<RefChange>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a list of at most {MAX_CHANGES} changes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut changes = Vec::new();
            while let Some(change) = list.next_element()? {
                if changes.len() == MAX_CHANGES {
                    return Err(A::Error::custom(format!("a push has at most {MAX_CHANGES} changes")));
                }
                changes.push(change);
            }
            Ok(changes)
        }
    }

    deserializer.deserialize_seq(Bounded)
}
