//! GitHub's events: its own examples, and what they leave out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use netbuild_core::intake::webhook::{Branches, Previews, ProjectSettings, Provider, Verdict};
use netbuild_core::model::RepositoryUrl;
use serde_json::{Value, json};

use crate::request::{NEW, OLD, Request, project, summary};

const GONE: &str = "0000000000000000000000000000000000000000";

/// GitHub's example payloads with the names of their events.
pub(crate) fn examples() -> impl Iterator<Item = (&'static str, &'static Value)> {
    // Unpacked once: property tests ask again and again.
    static EXAMPLES: LazyLock<Vec<Value>> = LazyLock::new(|| {
        let packed: &[u8] = include_bytes!("payloads/github.jsonl.zst");
        let lines = String::from_utf8(zstd::decode_all(packed).unwrap()).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    });
    EXAMPLES.iter().map(|line| (line["event"].as_str().unwrap(), &line["payload"]))
}

/// The first example of a pull request that was opened.
pub(crate) fn opened() -> Value {
    let opened = |(event, body): &(&str, &Value)| *event == "pull_request" && body["action"] == "opened";
    examples().find(opened).unwrap().1.clone()
}

fn site() -> ProjectSettings {
    let mut project = project(Provider::GitHub, "186853002");
    project.production_branch = "master".to_owned();
    project
}

#[test]
fn every_example_of_github_is_a_build_or_a_reason() {
    let (mut builds, mut reasons) = (BTreeMap::<&str, u32>::new(), 0);
    for (event, payload) in examples() {
        let request = Request::json(Provider::GitHub, event, payload);
        let received = request.receive().unwrap_or_else(|refusal| panic!("{event}: {refusal}: {payload}"));
        // A project that builds all of the repository, whichever that is and wherever it is fetched.
        let mut project = site();
        if let Some(repository) = received.repository() {
            project.repository = repository.clone();
            project.url = payload["repository"]["clone_url"].as_str().map(|url| RepositoryUrl::parse(url).unwrap());
        }
        let decision = request.decide(&project);
        let [verdict] = decision.verdicts.as_slice() else { panic!("{event}: {decision}") };
        match verdict {
            Verdict::Build(_) => *builds.entry(event).or_default() += 1,
            Verdict::Nothing(_) => reasons += 1,
            Verdict::Refused(refused) => panic!("{event}: {refused}: {payload}"),
        }
        let moves_a_branch = event == "push"
            && payload["ref"].as_str().unwrap().starts_with("refs/heads/")
            && payload["deleted"] == json!(false);
        let brings_commits = event == "pull_request"
            && ["opened", "reopened", "synchronize"].contains(&payload["action"].as_str().unwrap());
        assert_eq!(matches!(verdict, Verdict::Build(_)), moves_a_branch || brings_commits, "{event}: {payload}");
    }
    assert_eq!((builds, reasons), (BTreeMap::from([("push", 2), ("pull_request", 8)]), 394));
}

pub(crate) fn push(full_ref: &str, before: &str, after: &str) -> Value {
    json!({
        "ref": full_ref, "before": before, "after": after, "created": before == GONE, "deleted": after == GONE,
        "repository": {
            "id": 186853002, "name": "site", "full_name": "acme/site", "pushed_at": 1_557_933_657,
            "clone_url": "https://github.com/acme/site.git",
        },
        "commits": [], "head_commit": null,
    })
}

fn pull_request(action: &str, head_repository: Value) -> Value {
    json!({
        "action": action, "number": 7,
        "pull_request": {
            "number": 7, "updated_at": "2026-05-15T15:20:33Z", "state": "open",
            "head": { "ref": "main", "sha": NEW, "repo": head_repository },
            "base": { "ref": "main", "sha": OLD, "repo": { "id": 186853002 } },
        },
        "repository": { "id": 186853002, "full_name": "acme/site", "clone_url": "https://github.com/acme/site.git" },
        "sender": { "login": "acme" },
    })
}

#[test]
fn a_push_builds_the_branches_of_the_settings() {
    let url = "https://github.com/acme/site.git";
    let cases = [
        ("refs/heads/master", OLD, NEW, format!("production trusted {url} {NEW}")),
        ("refs/heads/master", GONE, NEW, format!("production trusted {url} {NEW}")),
        ("refs/heads/release/2", OLD, NEW, format!("branch/release/2 trusted {url} {NEW}")),
        ("refs/heads/next", OLD, NEW, format!("branch/next trusted {url} {NEW}")),
        ("refs/heads/nexts", OLD, NEW, "nothing to build: the project does not build the branch nexts".into()),
        (
            "refs/heads/refs/heads/master",
            OLD,
            NEW,
            "nothing to build: the project does not build the branch refs/heads/master".into(),
        ),
        ("refs/heads/master", OLD, GONE, "nothing to build: the branch master was deleted".into()),
        ("refs/heads/master", NEW, NEW, "nothing to build: master did not move".into()),
        ("refs/tags/master", OLD, NEW, "nothing to build: master is a tag, and tags are not built".into()),
        ("refs/tags/v1", OLD, GONE, "nothing to build: v1 is a tag, and tags are not built".into()),
        ("refs/notes/commits", OLD, NEW, "nothing to build: refs/notes/commits is no branch".into()),
        ("master", OLD, NEW, "nothing to build: master is no branch".into()),
    ];
    let mut project = site();
    project.branches = Branches::Matching(vec!["release/*".to_owned(), "next".to_owned()]);
    for (full_ref, before, after, expected) in cases {
        let decision = Request::json(Provider::GitHub, "push", &push(full_ref, before, after)).decide(&project);
        assert_eq!(summary(&decision), [expected], "{full_ref} {before} {after}");
    }
    project.branches = Branches::None;
    let decision = Request::json(Provider::GitHub, "push", &push("refs/heads/next", OLD, NEW)).decide(&project);
    assert_eq!(summary(&decision), ["nothing to build: the project does not build the branch next"]);
}

#[test]
fn a_pull_request_builds_a_preview_and_forks_are_untrusted_by_id() {
    let url = "https://github.com/acme/site.git";
    let own = || json!({ "id": 186853002, "full_name": "acme/site" });
    // A fork that calls itself what the repository is called, by an author who calls themselves its owner.
    let fork = || json!({ "id": 999, "full_name": "acme/site", "fork": false, "owner": { "login": "acme" } });
    let trusted = format!("preview/7 trusted {url} {NEW}");
    let untrusted = format!("preview/7 untrusted {url} {NEW}");
    let no_commits =
        |action: &str| format!("nothing to build: the action {action} brings no new commits to the pull request");
    let closed = "nothing to build: the pull request was closed".to_owned();
    let never = "nothing to build: the project builds no pull requests".to_owned();
    let no_forks =
        "nothing to build: the pull request comes from a fork, and the project builds none from forks".to_owned();
    let cases = [
        ("opened", own(), Previews::OwnAndForks, trusted.clone()),
        ("reopened", own(), Previews::Own, trusted.clone()),
        ("synchronize", own(), Previews::Own, trusted),
        ("opened", own(), Previews::Never, never),
        ("opened", fork(), Previews::OwnAndForks, untrusted.clone()),
        ("synchronize", Value::Null, Previews::OwnAndForks, untrusted),
        ("opened", fork(), Previews::Own, no_forks.clone()),
        ("opened", Value::Null, Previews::Own, no_forks),
        ("closed", own(), Previews::OwnAndForks, closed),
        ("edited", own(), Previews::OwnAndForks, no_commits("edited")),
        ("labeled", fork(), Previews::OwnAndForks, no_commits("labeled")),
        ("invented\nlater", own(), Previews::OwnAndForks, no_commits("invented\u{fffd}later")),
    ];
    for (action, head, previews, expected) in cases {
        let mut project = site();
        project.previews = previews;
        let body = pull_request(action, head.clone());
        let decision = Request::json(Provider::GitHub, "pull_request", &body).decide(&project);
        assert_eq!(summary(&decision), [expected], "{action} {head} {previews:?}");
    }
}

#[test]
fn other_events_are_answered_with_the_reason() {
    let cases = [
        ("ping", "the webhook works"),
        ("create", "the event create starts no build: the push that comes with it does"),
        ("delete", "the event delete starts no build: the push that comes with it does"),
        ("issues", "the event issues starts no build"),
        ("pull_request_review", "the event pull_request_review starts no build"),
        ("of\u{1b}[2Jlater", "the event of\u{fffd}[2Jlater starts no build"),
    ];
    for (event, expected) in cases {
        // Whatever they hold: nothing of it is read.
        let decision = Request::json(Provider::GitHub, event, &json!({ "repository": "text" })).decide(&site());
        assert_eq!(summary(&decision), [format!("nothing to build: {expected}")]);
        assert_eq!(decision.status(), 200);
    }
}

/// The header that names the event is not signed: a body under another event's name builds nothing that it would not
/// build under its own.
#[test]
fn a_body_under_another_events_name_builds_nothing_else() {
    for (event, payload) in examples() {
        for claimed in ["push", "pull_request"].into_iter().filter(|claimed| *claimed != event) {
            let received = Request::json(Provider::GitHub, claimed, payload).receive();
            let Ok(received) = received else { continue };
            let decision = crate::request::decide(&received, [&site()]);
            assert_eq!(decision.events(), [], "{event} as {claimed}: {payload}");
        }
    }
}

#[test]
fn a_project_can_be_fetched_from_elsewhere() {
    let mut project = site();
    project.url = Some(RepositoryUrl::parse("ssh://git@github.com/acme/site.git").unwrap());
    let fork = pull_request("opened", json!({ "id": 999 }));
    for (event, body) in [("push", push("refs/heads/master", OLD, NEW)), ("pull_request", fork)] {
        let events = Request::json(Provider::GitHub, event, &body).decide(&project).events();
        assert_eq!(events[0].build.source.repository, project.url.clone().unwrap(), "{event}");
    }
}
