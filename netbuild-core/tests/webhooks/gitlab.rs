//! GitLab's events.

use netbuild_core::intake::webhook::{Previews, Provider};
use serde_json::{Value, json};

use crate::request::{NEW, OLD, Request, project, summary};

pub(crate) fn payload(name: &str) -> Value {
    let text = match name {
        "push" => include_str!("payloads/gitlab/push.json"),
        "push_deleted" => include_str!("payloads/gitlab/push_deleted.json"),
        "tag_push" => include_str!("payloads/gitlab/tag_push.json"),
        "merge_request" => include_str!("payloads/gitlab/merge_request.json"),
        "merge_request_fork" => include_str!("payloads/gitlab/merge_request_fork.json"),
        "merge_request_update" => include_str!("payloads/gitlab/merge_request_update.json"),
        "issue" => include_str!("payloads/gitlab/issue.json"),
        "system_project_create" => include_str!("payloads/gitlab/system_project_create.json"),
        other => panic!("there is no payload {other}"),
    };
    serde_json::from_str(text).unwrap()
}

/// A payload in which fields of the merge request are others.
fn merge_request(name: &str, fields: Value) -> Value {
    let mut payload = payload(name);
    for (field, value) in fields.as_object().unwrap() {
        payload["object_attributes"][field] = value.clone();
    }
    payload
}

fn decide(event: &str, body: &Value, previews: Previews) -> String {
    let mut project = project(Provider::GitLab, "15");
    project.previews = previews;
    let lines = summary(&Request::json(Provider::GitLab, event, body).decide(&project));
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

#[test]
fn pushes_build_branches() {
    let url = "https://gitlab.com/mike/diaspora.git";
    let all = Previews::OwnAndForks;
    assert_eq!(decide("Push Hook", &payload("push"), all), format!("production trusted {url} {NEW}"));
    let mut branch = payload("push");
    branch["ref"] = json!("refs/heads/feature/x");
    assert_eq!(decide("Push Hook", &branch, all), format!("branch/feature/x trusted {url} {NEW}"));
    // The body says what it is, whatever the header repeats.
    assert_eq!(decide("System Hook", &payload("push"), all), format!("production trusted {url} {NEW}"));
    let deleted = decide("Push Hook", &payload("push_deleted"), all);
    assert_eq!(deleted, "nothing to build: the branch old was deleted");
    let tag = decide("Tag Push Hook", &payload("tag_push"), all);
    assert_eq!(tag, "nothing to build: v1.0.0 is a tag, and tags are not built");
    let mut same = payload("push");
    same["after"] = json!(OLD);
    assert_eq!(decide("Push Hook", &same, all), "nothing to build: main did not move");
}

#[test]
fn merge_requests_build_previews_and_forks_are_untrusted_by_id() {
    let url = "https://gitlab.com/mike/diaspora.git";
    let trusted = format!("preview/1 trusted {url} {NEW}");
    let untrusted = |number: u32| format!("preview/{number} untrusted {url} {NEW}");
    let no_commits =
        |action: &str| format!("nothing to build: the action {action} brings no new commits to the pull request");
    let closed = "nothing to build: the pull request was closed";
    let no_forks = "nothing to build: the pull request comes from a fork, and the project builds none from forks";
    let cases = [
        (payload("merge_request"), Previews::Own, trusted.clone()),
        (merge_request("merge_request", json!({ "action": "reopen" })), Previews::Own, trusted.clone()),
        (payload("merge_request_update"), Previews::Own, trusted),
        (merge_request("merge_request", json!({ "action": "update" })), Previews::Own, no_commits("update")),
        (merge_request("merge_request", json!({ "action": "approved" })), Previews::Own, no_commits("approved")),
        (merge_request("merge_request", json!({ "action": null })), Previews::Own, no_commits("")),
        (merge_request("merge_request", json!({ "action": "close" })), Previews::Own, closed.into()),
        (merge_request("merge_request", json!({ "action": "merge" })), Previews::Own, closed.into()),
        (
            merge_request("merge_request", json!({ "last_commit": null })),
            Previews::Own,
            "nothing to build: the pull request has no commits".into(),
        ),
        (payload("merge_request"), Previews::Never, "nothing to build: the project builds no pull requests".into()),
        (payload("merge_request_fork"), Previews::OwnAndForks, untrusted(2)),
        (payload("merge_request_fork"), Previews::Own, no_forks.into()),
        (merge_request("merge_request", json!({ "source_project_id": null })), Previews::OwnAndForks, untrusted(1)),
        (merge_request("merge_request", json!({ "target_project_id": 16 })), Previews::OwnAndForks, untrusted(1)),
    ];
    for (body, previews, expected) in cases {
        assert_eq!(decide("Merge Request Hook", &body, previews), expected, "{body}");
    }
}

#[test]
fn other_events_are_answered_with_the_reason() {
    let issue = decide("Issue Hook", &payload("issue"), Previews::Own);
    assert_eq!(issue, "nothing to build: the event issue starts no build");
    let system = decide("System Hook", &payload("system_project_create"), Previews::Own);
    assert_eq!(system, "nothing to build: the event System Hook starts no build");
}
