//! Tenants do not meet: a secret builds the projects of its own account, by repository ids.

use netbuild_core::intake::webhook::{GitHost, Hook, HookScope, Provider, RepositoryId};
use netbuild_core::memory::MemoryOutbox;
use netbuild_core::model::ProjectId;
use netbuild_core::port::Event;
use serde_json::json;

use crate::github;
use crate::request::{NEW, OLD, Request, account, decide, host, project, secrets, summary};

const ACME: &str = "secret-of-acme-0001";
const EVIL: &str = "secret-of-evil-0002";

fn hook_of(tenant: &str, secret: &str) -> Hook {
    Hook::new(host(Provider::GitHub), HookScope::Account(account(tenant)), secrets(&[secret]))
}

/// A push to the repository with this id, under the one name that everybody uses here.
fn push(id: u64, secret: &str) -> Request {
    let mut body = github::push("refs/heads/main", OLD, NEW);
    body["repository"]["id"] = json!(id);
    let mut request = Request::json(Provider::GitHub, "push", &body);
    request.sign(secret);
    request
}

fn projects() -> [netbuild_core::intake::webhook::ProjectSettings; 2] {
    let acme = project(Provider::GitHub, "1");
    let mut evil = project(Provider::GitHub, "2");
    evil.account = account("evil");
    [acme, evil]
}

/// Both tenants call their project and their repository the same; the look-up even finds both.
#[test]
fn a_valid_signature_of_one_tenant_does_not_build_the_project_of_another() {
    let projects = projects();
    let (acme, evil) = (hook_of("acme", ACME), hook_of("evil", EVIL));
    let own = decide(&push(1, ACME).receive_by(&acme).unwrap(), &projects);
    assert_eq!(own.events()[0].build.account, account("acme"));
    assert_eq!(own.events().len(), 1);

    let foreign = decide(&push(1, EVIL).receive_by(&evil).unwrap(), &projects);
    assert_eq!(summary(&foreign), ["nothing to build: no project of this webhook builds this repository"]);
    assert_eq!((foreign.events(), foreign.status()), (vec![], 200));

    assert_eq!(push(1, EVIL).receive_by(&acme).unwrap_err().status(), 401, "the other's secret");
}

/// A repository was renamed, and another took its name.
#[test]
fn names_decide_nothing() {
    let hook = hook_of("acme", ACME);
    let mut body = github::push("refs/heads/main", OLD, NEW);
    body["repository"]["id"] = json!(1);
    body["repository"]["full_name"] = json!("acme/renamed");
    let mut renamed = Request::json(Provider::GitHub, "push", &body);
    renamed.sign(ACME);
    assert_eq!(decide(&renamed.receive_by(&hook).unwrap(), &projects()).events().len(), 1);
    let successor = decide(&push(3, ACME).receive_by(&hook).unwrap(), &projects());
    assert_eq!(successor.events(), []);
}

/// Numbers belong to a Git host: another host's repository of the same number is another repository.
#[test]
fn the_same_number_at_another_host_is_another_repository() {
    let github = [project(Provider::GitHub, "15")];
    let body = crate::gitlab::payload("push");
    let gitlab = Request::json(Provider::GitLab, "Push Hook", &body).receive().unwrap();
    assert_eq!(decide(&gitlab, &github).events(), []);
    let enterprise = GitHost::new(Provider::GitHub, "GIT.example:8443").unwrap();
    let hook = Hook::new(enterprise.clone(), HookScope::Account(account("acme")), secrets(&[ACME]));
    let received = push(1, ACME).receive_by(&hook).unwrap();
    assert_eq!(decide(&received, &projects()).events(), []);
    let mut own = project(Provider::GitHub, "1");
    own.repository = RepositoryId::new(enterprise, "1").unwrap();
    assert!(summary(&decide(&received, [&own]))[0].contains("leads away from its Git host"));
}

/// The secret of a GitHub App is the service's: the Git host says whose repository it is.
#[test]
fn a_webhook_of_the_service_builds_whoever_has_the_repository() {
    let hook = Hook::new(host(Provider::GitHub), HookScope::Service, secrets(&[ACME]));
    for (id, owner) in [(1, "acme"), (2, "evil")] {
        let events = decide(&push(id, ACME).receive_by(&hook).unwrap(), &projects()).events();
        assert_eq!(events.iter().map(|event| event.build.account.as_str()).collect::<Vec<_>>(), [owner]);
    }
}

/// The same repository in two projects, of one account or of two: each gets a build, and none answers for another.
#[tokio::test]
async fn each_project_of_a_repository_gets_a_build_of_its_own() {
    use netbuild_core::port::Outbox;

    let [one, mut other] = projects();
    other.repository = one.repository.clone();
    let mut second = one.clone();
    second.project = ProjectId::new("docs").unwrap();
    let hook = Hook::new(host(Provider::GitHub), HookScope::Service, secrets(&[ACME]));
    let events: Vec<Event> = decide(&push(1, ACME).receive_by(&hook).unwrap(), &[one, other, second]).events();
    assert_eq!(events.len(), 3);
    let outbox: MemoryOutbox = crate::keys::outbox();
    let recorded = outbox.record(&events).await.unwrap();
    assert!(recorded.iter().all(|recorded| recorded.fresh), "{recorded:?}");
}
