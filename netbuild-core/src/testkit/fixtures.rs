//! Valid values for tests, made of names and small numbers: equal arguments give equal values.
//!
//! All of them panic on names that are not valid ([`InvalidName`](crate::model::InvalidName)): a test that passes one is
//! wrong.

use std::collections::BTreeMap;

use crate::model::{
    AccountId, AttemptId, Build, BuildId, BuildKey, BuildSpec, Cause, Change, DeployContext, DeployInfo, Digest,
    ExecutorName, Failure, HolderId, Outcome, Place, Priority, ProjectId, PublishPath, PublisherId, Report,
    RepositoryUrl, Revision, Route, SecretRef, Source, Timestamp, Trust,
};
use crate::port::{Event, EventKey, Message};

const VALID: &str = "a fixture is made of valid values";

/// The id of build number `n`. Higher numbers give higher ids.
pub fn build_id(n: u64) -> BuildId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    BuildId::new(Timestamp::from_millis(n), random)
}

/// Build number `n` of a project: trusted, for production, with a command, a publish folder, a variable and a secret.
///
/// # Panics
/// On an invalid name.
pub fn build(account: &str, project: &str, n: u64) -> Build {
    Build {
        id: build_id(n),
        account: self::account(account),
        project: ProjectId::new(project).expect(VALID),
        source: Source {
            repository: RepositoryUrl::parse("https://git.example/site.git").expect(VALID),
            revision: Revision::parse("main").expect(VALID),
        },
        context: DeployContext::Production,
        spec: BuildSpec {
            publish: Some(PublishPath::parse("public").expect(VALID)),
            env: BTreeMap::from([("LANG".to_owned(), "C.UTF-8".to_owned())]),
            secrets: BTreeMap::from([("TOKEN".to_owned(), SecretRef("deploy-token".to_owned()))]),
            ..BuildSpec::new("make site")
        },
        priority: Priority::default(),
        trust: Trust::Trusted,
        created_at: Timestamp::from_millis(n),
    }
}

/// An account.
///
/// # Panics
/// On an invalid name.
pub fn account(name: &str) -> AccountId {
    AccountId::new(name).expect(VALID)
}

/// A publisher.
///
/// # Panics
/// On an invalid name.
pub fn publisher(name: &str) -> PublisherId {
    PublisherId::new(name).expect(VALID)
}

/// A holder of the leader lease.
///
/// # Panics
/// On an invalid name.
pub fn holder(name: &str) -> HolderId {
    HolderId::new(name).expect(VALID)
}

/// A route to an executor that no flag decided.
///
/// # Panics
/// On an invalid name.
pub fn route(executor: &str) -> Route {
    Route::fixed(ExecutorName::new(executor).expect(VALID))
}

/// An event that asks for `build`; its key is made of the build's id.
pub fn event(build: Build) -> Event {
    Event { key: EventKey(format!("push {}", build.id)), build }
}

/// A message at place `seq` of a publisher's epoch 1.
///
/// # Panics
/// On an invalid name.
pub fn message(publisher: &str, seq: u64, build: Build) -> Message {
    Message { place: Place { publisher: self::publisher(publisher), epoch: 1, seq }, build }
}

/// A deploy; each number has a content of its own.
pub fn deploy(n: u64) -> DeployInfo {
    DeployInfo { manifest: Digest::of(n.to_be_bytes()), files: n, bytes: n, uploaded: n }
}

/// The report of an attempt that succeeded, with a deploy or without.
pub fn succeeded(deploy: Option<DeployInfo>) -> Report {
    Report::of(Outcome::Succeeded { deploy })
}

/// The report of an attempt that failed.
pub fn failed(cause: Cause) -> Report {
    Report::of(Outcome::Failed(Failure::new(cause, "")))
}

/// The change that plans an attempt on an executor.
///
/// # Panics
/// On an invalid name.
pub fn planned(attempt: &AttemptId, executor: &str, at: Timestamp) -> Change {
    Change::Planned { attempt: attempt.clone(), route: route(executor), at }
}

/// The change that settles an attempt.
pub fn settled(attempt: &AttemptId, report: Report, at: Timestamp) -> Change {
    Change::Settled { attempt: attempt.clone(), report, at }
}

/// The change that puts a build back into the backlog, to start again at once.
pub fn requeued(build: &BuildKey, at: Timestamp) -> Change {
    Change::Requeued { build: build.clone(), not_before: at, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_ids_apart_and_give_their_order() {
        assert_eq!(build("a", "p", 1), build("a", "p", 1));
        assert!(build_id(1) < build_id(2) && build_id(255) < build_id(256));
        assert_ne!(deploy(1), deploy(2));
    }
}
