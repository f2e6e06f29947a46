//! What makes two events one: repetitions and replays answer with the first build, and nothing else does.

use std::collections::BTreeSet;
use std::sync::Arc;

use netbuild_core::intake::webhook::{GitHost, ProjectSettings, Provider, RepositoryId, rebuild_key};
use netbuild_core::memory::MemoryOutbox;
use netbuild_core::model::{AccountId, BuildId, ProjectId, PublisherId, Timestamp};
use netbuild_core::port::{EventKey, MAX_EVENT_KEY_BYTES, Outbox};
use netbuild_core::testkit::ManualClock;
use serde_json::{Value, json};

use crate::request::{NEW, OLD, Request, account, project};
use crate::{bitbucket, github, gitlab};

const OTHER: &str = "1111111111111111111111111111111111111111";

pub(crate) fn outbox() -> MemoryOutbox {
    MemoryOutbox::new(PublisherId::new("api-1").unwrap(), 1, 100, Arc::new(ManualClock::default()))
}

fn site() -> ProjectSettings {
    project(Provider::GitHub, "186853002")
}

/// A push, this many seconds after those of GitHub's examples.
fn push(before: &str, after: &str, second: u64) -> Request {
    let mut body = github::push("refs/heads/main", before, after);
    body["repository"]["pushed_at"] = json!(1_557_933_657 + second);
    Request::json(Provider::GitHub, "push", &body)
}

fn build_id() -> BuildId {
    BuildId::generate()
}

#[tokio::test]
async fn a_replay_with_another_delivery_id_answers_with_the_first_build() {
    let outbox = outbox();
    let first = push(OLD, NEW, 1);
    let events = |request: &Request, at: u64| {
        request.receive().unwrap().decide([&site()], Timestamp::from_millis(at), build_id).events()
    };
    let recorded = outbox.record(&events(&first, 1)).await.unwrap();
    assert!(recorded[0].fresh);

    let mut replayed = first.clone();
    replayed.set("X-GitHub-Delivery", "00000000-0000-0000-0000-000000000000");
    let received = replayed.receive().unwrap();
    assert_eq!(received.delivery().unwrap().as_str(), "00000000-0000-0000-0000-000000000000");
    let again = outbox.record(&events(&replayed, 2)).await.unwrap();
    assert_eq!((again[0].fresh, again[0].build), (false, recorded[0].build));

    let mut without = first.clone();
    without.remove("X-GitHub-Delivery");
    assert!(!outbox.record(&events(&without, 3)).await.unwrap()[0].fresh);
}

#[tokio::test]
async fn a_replay_of_an_old_push_after_newer_ones_records_nothing() {
    let outbox = outbox();
    let pushes = [push(OLD, NEW, 1), push(NEW, OTHER, 2)];
    let events = |request: &Request| request.receive().unwrap().decide([&site()], Timestamp::EPOCH, build_id).events();
    let mut builds = Vec::new();
    for request in &pushes {
        builds.push(outbox.record(&events(request)).await.unwrap()[0].build);
    }
    let replay = outbox.record(&events(&pushes[0])).await.unwrap();
    assert_eq!((replay[0].fresh, replay[0].build), (false, builds[0]));
    assert_eq!(outbox.backlog().await.unwrap().count, 2);
}

/// A branch that is forced back and forth repeats `before` and `after`; the signed time tells the pushes apart.
#[test]
fn a_branch_forced_back_and_forth_builds_each_time_where_the_push_has_a_time() {
    let pushes = [push(OLD, NEW, 1), push(NEW, OLD, 2), push(OLD, NEW, 3)];
    let keys: BTreeSet<_> = pushes.iter().map(|request| request.key(&site())).collect();
    assert_eq!(keys.len(), 3);
}

/// GitLab and Bitbucket tell no time of a push: there it is taken for a repetition, as the docs say.
#[test]
fn a_push_without_a_time_is_known_by_before_and_after() {
    let project = project(Provider::GitLab, "15");
    let push = gitlab::payload("push");
    let key = Request::json(Provider::GitLab, "Push Hook", &push).key(&project);
    let mut later = push.clone();
    later["commits"] = json!([]);
    assert_eq!(Request::json(Provider::GitLab, "Push Hook", &later).key(&project), key);
    later["before"] = json!(OTHER);
    assert_ne!(Request::json(Provider::GitLab, "Push Hook", &later).key(&project), key);
}

/// Its key may be forgotten by then, so it could not be told from a push that was never built.
#[test]
fn an_event_past_the_age_builds_nothing_where_it_tells_its_time() {
    use std::time::Duration;

    let hour = Duration::from_secs(3600);
    let at = Timestamp::from_millis(1_557_933_657_000);
    let mut pull_request = github::opened();
    let merge_request = gitlab::payload("merge_request");
    let with = |text: &str| {
        let mut body = merge_request.clone();
        body["object_attributes"]["updated_at"] = json!(text);
        Request::json(Provider::GitLab, "Merge Request Hook", &body)
    };
    pull_request["pull_request"]["updated_at"] = json!("2019-05-15T17:20:57+02:00");
    let cases = [
        (push(OLD, NEW, 0), "186853002"),
        (Request::json(Provider::GitHub, "pull_request", &pull_request), "186853002"),
        (with("2019-05-15T15:20:57Z"), "15"),
        (with("2019-05-15 15:20:57 UTC"), "15"),
    ];
    for (request, id) in cases {
        let hook = crate::request::hook(request.provider).with_max_age(hour);
        let received = request.receive_by(&hook).unwrap();
        let project = project(request.provider, id);
        let decide = |now: Timestamp| crate::request::summary(&received.decide([&project], now, build_id));
        assert!(decide(at + hour)[0].contains(" trusted "), "{:?}", decide(at + hour));
        let later = decide(at + hour + Duration::from_millis(1));
        assert_eq!(
            later,
            ["nothing to build: the event is too old to be built; build the branch again if it is wanted"]
        );
    }
    // What tells no time that can be read is as old as its key.
    let received = with("yesterday").receive().unwrap();
    let events = received.decide([&project(Provider::GitLab, "15")], at + hour * 1_000_000, build_id).events();
    assert_eq!(events.len(), 1);
}

#[test]
fn what_says_which_push_it_is_makes_another_key_and_the_rest_does_not() {
    let base = github::push("refs/heads/main", OLD, NEW);
    let key = |body: &Value, project: &ProjectSettings| Request::json(Provider::GitHub, "push", body).key(project);
    let with = |pointer: &str, value: Value| {
        let mut body = base.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let first = key(&base, &site());
    let mut keys = BTreeSet::from([first.clone()]);
    for body in [
        with("/ref", json!("refs/heads/other")),
        with("/before", json!(OTHER)),
        with("/before", json!("0".repeat(40))),
        with("/after", json!(OTHER)),
        with("/repository/pushed_at", json!(1_557_933_658)),
    ] {
        assert!(keys.insert(key(&body, &site())), "{body}");
    }
    let same = [
        with("/repository/name", json!("renamed")),
        with("/repository/full_name", json!("acme/renamed")),
        with("/repository/clone_url", json!("https://github.com/acme/renamed.git")),
        with("/commits", json!([{ "id": NEW }])),
    ];
    for body in same {
        assert_eq!(key(&body, &site()), first, "{body}");
    }
    let mut other_project = site();
    other_project.project = ProjectId::new("docs").unwrap();
    assert!(keys.insert(key(&base, &other_project)));
    let id = with("/repository/id", json!(5));
    let mut other_id = site();
    other_id.repository = RepositoryId::new(GitHost::github(), "5").unwrap();
    assert!(keys.insert(key(&id, &other_id)));
}

#[test]
fn the_account_and_the_git_host_are_part_of_the_key() {
    use netbuild_core::intake::webhook::{Hook, HookScope};

    let request = push(OLD, NEW, 1);
    let enterprise = GitHost::new(Provider::GitHub, "github.com:443").unwrap();
    let mut keys = BTreeSet::new();
    for (host, name) in [(GitHost::github(), "acme"), (GitHost::github(), "evil"), (enterprise, "acme")] {
        let hook = Hook::new(host.clone(), HookScope::Service, crate::request::secrets(&[crate::request::SECRET]));
        let mut project = site();
        project.account = account(name);
        project.repository = RepositoryId::new(host, "186853002").unwrap();
        project.url = Some("https://github.com/acme/site.git".to_owned().try_into().unwrap());
        let events = crate::request::decide(&request.receive_by(&hook).unwrap(), [&project]).events();
        assert!(keys.insert(events[0].key.clone()), "{keys:?}");
    }
}

#[test]
fn a_pull_request_is_known_by_number_head_action_and_time() {
    let opened = github::opened();
    let project = site();
    let mut keys = BTreeSet::new();
    let mut insert = |change: &dyn Fn(&mut Value)| {
        let mut body = opened.clone();
        change(&mut body);
        keys.insert(Request::json(Provider::GitHub, "pull_request", &body).key(&project))
    };
    assert!(insert(&|_| ()));
    assert!(!insert(&|_| ()), "a repetition");
    assert!(!insert(&|body| body["pull_request"]["title"] = json!("another title")));
    assert!(insert(&|body| body["pull_request"]["number"] = json!(8)));
    assert!(insert(&|body| body["pull_request"]["head"]["sha"] = json!(OTHER)));
    // The preview may be gone since it was closed, so reopening builds it anew: each time, and each replay once.
    let reopen = |at: &'static str| {
        move |body: &mut Value| {
            body["action"] = json!("reopened");
            body["pull_request"]["updated_at"] = json!(at);
        }
    };
    assert!(insert(&reopen("2026-05-15T15:20:33Z")));
    assert!(!insert(&reopen("2026-05-15T15:20:33Z")));
    assert!(insert(&reopen("2026-05-16T10:00:00Z")));
    // Forced away from a head and back to it.
    let synchronize = |before: &'static str, head: &'static str, at: &'static str| {
        move |body: &mut Value| {
            body["action"] = json!("synchronize");
            body["before"] = json!(before);
            body["pull_request"]["head"]["sha"] = json!(head);
            body["pull_request"]["updated_at"] = json!(at);
        }
    };
    assert!(insert(&synchronize(OLD, NEW, "2026-05-16T10:00:01Z")));
    assert!(insert(&synchronize(NEW, OLD, "2026-05-16T10:00:02Z")));
    assert!(insert(&synchronize(OLD, NEW, "2026-05-16T10:00:03Z")));
}

#[test]
fn a_merge_request_reopened_or_updated_is_built_and_a_repetition_is_not() {
    let project = project(Provider::GitLab, "15");
    let key = |body: &Value| Request::json(Provider::GitLab, "Merge Request Hook", body).key(&project);
    let open = gitlab::payload("merge_request");
    let with = |field: &str, value: &str| {
        let mut body = open.clone();
        body["object_attributes"][field] = json!(value);
        body
    };
    let mut keys = BTreeSet::from([key(&open)]);
    assert!(!keys.insert(key(&with("title", "another"))));
    for (field, value) in [("action", "reopen"), ("oldrev", OLD), ("updated_at", "2026-01-04 10:00:00 UTC")] {
        assert!(keys.insert(key(&with(field, value))), "{field}");
    }
}

/// Bitbucket says "updated" also for a new title: the head tells whether there is something to build.
#[test]
fn an_update_of_a_title_repeats_the_build() {
    let project = project(Provider::Bitbucket, bitbucket::ID);
    let body = bitbucket::payload("pullrequest");
    let created = Request::json(Provider::Bitbucket, "pullrequest:created", &body).key(&project);
    let mut titled = body.clone();
    titled["pullrequest"]["title"] = json!("another title");
    titled["pullrequest"]["updated_on"] = json!("2026-07-01T00:00:00+00:00");
    assert_eq!(Request::json(Provider::Bitbucket, "pullrequest:updated", &titled).key(&project), created);
    titled["pullrequest"]["source"]["commit"]["hash"] = json!(&OTHER[..12]);
    assert_ne!(Request::json(Provider::Bitbucket, "pullrequest:updated", &titled).key(&project), created);
}

#[test]
fn an_explicit_rebuild_is_a_key_of_its_own() {
    let request = push(OLD, NEW, 1);
    let event = request.decide(&site()).events().remove(0);
    let build = event.build.key();
    let rebuild = rebuild_key(&build, "request-1");
    assert_ne!(rebuild, event.key);
    assert_eq!(rebuild, rebuild_key(&build, "request-1"), "the same click");
    assert_ne!(rebuild, rebuild_key(&build, "request-2"));
    let mut other = build.clone();
    other.account = account("evil");
    assert_ne!(rebuild, rebuild_key(&other, "request-1"));
    assert!(rebuild_key(&build, &"x".repeat(10_000)).0.len() <= MAX_EVENT_KEY_BYTES);
}

#[test]
fn long_names_make_bounded_keys_that_are_still_told_apart() {
    let names = ["ä".repeat(100), format!("{}b", "ä".repeat(99))];
    let mut keys = BTreeSet::<EventKey>::new();
    for name in &names {
        let mut project = site();
        project.project = ProjectId::new(name).unwrap();
        let full_ref = format!("refs/heads/{}", "/ü".repeat(80).trim_start_matches('/'));
        let body = github::push(&full_ref, OLD, NEW);
        let key = Request::json(Provider::GitHub, "push", &body).key(&project);
        assert!(key.0.len() <= MAX_EVENT_KEY_BYTES && !key.0.is_empty());
        keys.insert(key);
    }
    assert_eq!(keys.len(), 2);
    assert!(AccountId::new("ä".repeat(101)).is_err(), "names are not longer than these");
}
