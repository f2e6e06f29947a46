//! Bitbucket's events.

use netbuild_core::intake::webhook::{Branches, Previews, ProjectSettings, Provider};
use serde_json::{Value, json};

use crate::request::{NEW, Request, project, summary};

pub(crate) const ID: &str = "{673a6070-3421-46c9-9d48-90745f7bfe8e}";

pub(crate) fn payload(name: &str) -> Value {
    let text = match name {
        "push" => include_str!("payloads/bitbucket/push.json"),
        "push_many" => include_str!("payloads/bitbucket/push_many.json"),
        "push_empty" => include_str!("payloads/bitbucket/push_empty.json"),
        "pullrequest" => include_str!("payloads/bitbucket/pullrequest.json"),
        "pullrequest_fork" => include_str!("payloads/bitbucket/pullrequest_fork.json"),
        "pullrequest_fork_gone" => include_str!("payloads/bitbucket/pullrequest_fork_gone.json"),
        "approved" => include_str!("payloads/bitbucket/approved.json"),
        other => panic!("there is no payload {other}"),
    };
    serde_json::from_str(text).unwrap()
}

fn site() -> ProjectSettings {
    let mut project = project(Provider::Bitbucket, ID);
    project.branches = Branches::Matching(vec!["release/*".to_owned()]);
    project
}

fn decide(event: &str, body: &Value, project: &ProjectSettings) -> Vec<String> {
    summary(&Request::json(Provider::Bitbucket, event, body).decide(project))
}

#[test]
fn each_change_of_a_push_has_its_own_verdict_in_order() {
    let url = "https://bitbucket.org/team/site.git";
    assert_eq!(decide("repo:push", &payload("push"), &site()), [format!("production trusted {url} {NEW}")]);
    let expected = [
        format!("production trusted {url} {NEW}"),
        format!("branch/release/1 trusted {url} {NEW}"),
        "nothing to build: the branch old was deleted".to_owned(),
        "nothing to build: v1 is a tag, and tags are not built".to_owned(),
        "nothing to build: the project does not build the branch wip".to_owned(),
    ];
    assert_eq!(decide("repo:push", &payload("push_many"), &site()), expected);
    let request = Request::json(Provider::Bitbucket, "repo:push", &payload("push_many"));
    let [first, second] = <[_; 2]>::try_from(request.decide(&site()).events()).unwrap();
    assert!(first.key != second.key && first.build.id != second.build.id);
}

#[test]
fn an_empty_push_and_one_of_too_many_changes_are_told() {
    let empty = Request::json(Provider::Bitbucket, "repo:push", &payload("push_empty")).decide(&site());
    assert_eq!((summary(&empty), empty.status()), (vec!["nothing to build: the push is empty".to_owned()], 200));
    let mut nulls = payload("push");
    nulls["push"]["changes"] = json!([{ "old": null, "new": null }]);
    assert_eq!(decide("repo:push", &nulls, &site()), ["nothing to build: the push is empty"]);
    let mut many = payload("push");
    many["push"]["changes"] = vec![json!({ "old": null, "new": null }); 1000].into();
    assert_eq!(decide("repo:push", &many, &site()).len(), 1000);
    many["push"]["changes"] = vec![json!({ "old": null, "new": null }); 1001].into();
    let refusal = Request::json(Provider::Bitbucket, "repo:push", &many).receive().unwrap_err();
    assert!(refusal.status() == 400 && refusal.to_string().contains("at most 1000 changes"), "{refusal}");
}

#[test]
fn pull_requests_build_previews_and_forks_are_untrusted_by_id() {
    let own = "https://bitbucket.org/team/site.git";
    let fork = "https://bitbucket.org/eve/site.git";
    let mut full = payload("pullrequest");
    full["pullrequest"]["source"]["commit"]["hash"] = json!(NEW);
    // A fork under the repository's own name is a fork; the repository under a new name is not.
    let mut namesake = payload("pullrequest_fork");
    namesake["pullrequest"]["source"]["repository"]["full_name"] = json!("team/site");
    let mut renamed = payload("pullrequest");
    renamed["pullrequest"]["source"]["repository"]["full_name"] = json!("team/renamed");
    let mut empty = payload("pullrequest");
    empty["pullrequest"]["source"]["commit"] = Value::Null;
    // The name of the event is not signed: whoever has the signed body of a merge must not make a build of it.
    let mut merged = payload("pullrequest");
    merged["pullrequest"]["state"] = json!("MERGED");
    let cases = [
        ("pullrequest:updated", merged, "nothing to build: the pull request was closed".to_owned()),
        ("pullrequest:updated", empty, "nothing to build: the pull request has no commits".to_owned()),
        ("pullrequest:created", payload("pullrequest"), format!("preview/1 trusted {own} refs/heads/feature")),
        ("pullrequest:updated", payload("pullrequest"), format!("preview/1 trusted {own} refs/heads/feature")),
        ("pullrequest:created", full, format!("preview/1 trusted {own} {NEW}")),
        ("pullrequest:created", payload("pullrequest_fork"), format!("preview/2 untrusted {fork} refs/heads/feature")),
        ("pullrequest:created", namesake, format!("preview/2 untrusted {own} refs/heads/feature")),
        ("pullrequest:created", renamed, format!("preview/1 trusted {own} refs/heads/feature")),
        (
            "pullrequest:updated",
            payload("pullrequest_fork_gone"),
            "nothing to build: the pull request's fork is gone, and its commits with it".to_owned(),
        ),
        ("pullrequest:fulfilled", payload("pullrequest"), "nothing to build: the pull request was closed".to_owned()),
        ("pullrequest:rejected", payload("pullrequest"), "nothing to build: the pull request was closed".to_owned()),
        (
            "pullrequest:approved",
            payload("approved"),
            "nothing to build: the event pullrequest:approved starts no build".to_owned(),
        ),
        ("repo:fork", json!({}), "nothing to build: the event repo:fork starts no build".to_owned()),
    ];
    for (event, body, expected) in cases {
        assert_eq!(decide(event, &body, &site()), [expected], "{event} {body}");
    }
    let mut project = site();
    project.previews = Previews::Own;
    for name in ["pullrequest_fork", "pullrequest_fork_gone"] {
        let why = "nothing to build: the pull request comes from a fork, and the project builds none from forks";
        assert_eq!(decide("pullrequest:created", &payload(name), &project), [why]);
    }
}

/// A fork's commits stand in the fork only: the project's own URL does not have them.
#[test]
fn a_fork_is_not_fetched_from_the_projects_own_url() {
    let mut project = site();
    project.url = Some("ssh://git@bitbucket.org/team/site.git".to_owned().try_into().unwrap());
    let own = decide("pullrequest:created", &payload("pullrequest"), &project);
    assert_eq!(own, ["preview/1 trusted ssh://git@bitbucket.org/team/site.git refs/heads/feature"]);
    let fork = decide("pullrequest:created", &payload("pullrequest_fork"), &project);
    assert_eq!(fork, ["preview/2 untrusted https://bitbucket.org/eve/site.git refs/heads/feature"]);
}
