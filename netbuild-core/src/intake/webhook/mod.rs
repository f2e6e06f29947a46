//! Webhooks: from a Git host's request to builds, or to the reason why there is nothing to build.
//!
//! A [`Hook`] verifies a request and reads it ([`Hook::receive`]); what it [`Received`] meets the settings of the
//! [`projects`](ProjectSettings) that have the repository and becomes a [`Decision`]: [`Event`](crate::port::Event)s for
//! the [`Outbox`](crate::port::Outbox), and for everything else a [`Reason`]. Nothing here waits, sleeps, reads a clock
//! or knows an HTTP library: headers are pairs of bytes, and answers are a status and words for the person who looks at
//! the Git host's list of deliveries.
//!
//! ```
//! use netbuild_core::intake::webhook::{GitHost, Hook, HookScope, ProjectSettings, RepositoryId, Secrets};
//! use netbuild_core::model::{AccountId, BuildId, BuildSpec, ProjectId, Timestamp};
//! use netbuild_core::port::Outbox;
//!
//! /// What a handler of axum, actix or hyper does. It found `hook` by the URL of the request.
//! async fn webhook(
//!     hook: &Hook,
//!     projects_of: impl Fn(&RepositoryId) -> Vec<ProjectSettings>,
//!     outbox: &dyn Outbox,
//!     headers: &[(&str, &str)], // axum's and hyper's `&HeaderMap` goes in as it is
//!     chunks: &[&[u8]],
//!     now: Timestamp,
//! ) -> (u16, String) {
//!     let refuse = |refusal: netbuild_core::intake::webhook::Refusal| (refusal.status(), refusal.to_string());
//!     // Refused by its announced length before a byte is read, and again by its bytes.
//!     let mut body = match hook.body(headers.iter().copied()) {
//!         Ok(body) => body,
//!         Err(refusal) => return refuse(refusal),
//!     };
//!     for chunk in chunks {
//!         if let Err(refusal) = body.push(chunk) {
//!             return refuse(refusal);
//!         }
//!     }
//!     let received = body.finish().and_then(|body| hook.receive(headers.iter().copied(), &body));
//!     let received = match received {
//!         Ok(received) => received,
//!         Err(refusal) => return refuse(refusal),
//!     };
//!     let projects = received.repository().map(projects_of).unwrap_or_default();
//!     let decision = received.decide(&projects, now, BuildId::generate);
//!     let events = decision.events();
//!     // The Git host may forget the event once it has a 2xx: answer after the outbox did.
//!     match outbox.record(&events).await {
//!         Ok(_) => (decision.status(), decision.to_string()),
//!         Err(error) => (503, error.to_string()),
//!     }
//! }
//!
//! # use std::sync::Arc;
//! # use netbuild_core::{memory::MemoryOutbox, model::PublisherId, port::SystemClock};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let outbox = MemoryOutbox::new(PublisherId::new("api-1")?, 1, 1000, Arc::new(SystemClock::new()));
//! let account = AccountId::new("acme")?;
//! let secrets = Secrets::new(["a new secret of 16 bytes or more".into(), "the one that it replaces".into()])?;
//! let hook = Hook::new(GitHost::gitlab(), HookScope::Account(account.clone()), secrets);
//!
//! let repository = RepositoryId::new(GitHost::gitlab(), "15")?;
//! let site = ProjectSettings::new(account, ProjectId::new("site")?, repository, "main", BuildSpec::new("make"));
//!
//! let headers = [
//!     ("Content-Type", "application/json"),
//!     ("X-Gitlab-Event", "Push Hook"),
//!     ("X-Gitlab-Token", "a new secret of 16 bytes or more"),
//! ];
//! let body = br#"{
//!     "object_kind": "push", "ref": "refs/heads/main",
//!     "before": "95790bf891e76fee5e1747ab589903a6a1f80f22", "after": "da1560886d4f094c3e6c9ef40349f7d38b5d27d7",
//!     "project": { "id": 15, "git_http_url": "https://gitlab.com/acme/site.git" }
//! }"#;
//! let projects_of = |_: &RepositoryId| vec![site.clone()];
//! let (status, words) = webhook(&hook, projects_of, &outbox, &headers, &[body], Timestamp::EPOCH).await;
//! assert_eq!((status, words.as_str()), (202, "build of site: production\n"));
//! # Ok(())
//! # }
//! ```
//!
//! # What is proved, and how
//! | provider | header | proof | event | delivery, for logs only |
//! |---|---|---|---|---|
//! | GitHub | `X-Hub-Signature-256` | `sha256=` HMAC-SHA256 of the body | `X-GitHub-Event` | `X-GitHub-Delivery` |
//! | GitLab | `X-Gitlab-Token` | the secret itself | `object_kind` in the body | `X-Gitlab-Event-UUID` |
//! | Bitbucket Cloud | `X-Hub-Signature` | `sha256=` HMAC-SHA256 of the body | `X-Event-Key` | `X-Request-UUID` |
//!
//! - Size first, then the proof, then the content type, then the body: see [`Refusal`] for what each is answered. A
//!   proof that is missing, there twice or made with SHA-1 is refused. Comparisons take the same time whatever differs,
//!   and every secret is tried, so that secrets can rotate.
//! - GitHub and Bitbucket sign the body and nothing else. The header that names the event can be changed by whoever has
//!   a signed body; the body under another event's name is then no such event, builds nothing, or asks for the head that its
//!   open pull request has in any case, under that head's key. GitLab's token proves the sender and not the body: whoever learns it can write any, so keep webhooks on `https`.
//! - Forms are refused with 415 (GitHub sends them when its webhook says `application/x-www-form-urlencoded`): one body
//!   has one parser.
//! - A secret is bound to a tenant by its [`HookScope`], and a tenant to a repository by [`ProjectSettings::repository`],
//!   which is an id at a Git host. Names decide nothing: they are changed, and taken by others.
//! - A clone URL in an event must lead to the webhook's own Git host: a project's credential is shown to nobody else.
//!
//! # What is built
//! | GitHub | GitLab | Bitbucket | answer |
//! |---|---|---|---|
//! | `push` to a branch | `push` | `repo:push`, each change by itself | a build in the context production or branch, by the settings; else [`Reason::BranchNotBuilt`] |
//! | `push` that deletes a branch | `push` to zeros | a change without `new` | [`Reason::BranchDeleted`] |
//! | `push` to a tag | `tag_push` | a change of type `tag` | [`Reason::Tag`] |
//! | `push` to another ref | – | a change of another type | [`Reason::NotABranch`] |
//! | `push` with `before` = `after` | the same | the same | [`Reason::NotMoved`] |
//! | – | – | no changes | [`Reason::EmptyPush`] |
//! | `pull_request`: `opened`, `reopened`, `synchronize` | `merge_request`: `open`, `reopen`, `update` with `oldrev` | `pullrequest:created`, `:updated` | a build in the context preview, by the settings; else [`Reason::PreviewsOff`] or [`Reason::ForkNotBuilt`] |
//! | `closed` | `close`, `merge` | `pullrequest:fulfilled`, `:rejected` | [`Reason::PullRequestClosed`] |
//! | – | one without `last_commit` | one without a source commit | [`Reason::NoCommits`] |
//! | every other action | every other action, `update` without `oldrev` | – | [`Reason::NoNewCommits`] |
//! | `create`, `delete` | – | – | [`Reason::ToldByPush`] |
//! | `ping` | – | – | [`Reason::Ping`] |
//! | every other event | every other event | every other event | [`Reason::EventNotBuilt`] |
//!
//! A push without commits in it is built when its branch moved or is new: commits that another branch had already are
//! not listed again. Where no project has the repository it is [`Reason::UnknownRepository`], with 200: the request was
//! right, and a Git host stops calling webhooks that fail.
//!
//! A pull request from another repository, by its **id**, is [`Untrusted`](crate::model::Trust::Untrusted), also when
//! its fork is gone; neither names nor authors are asked (Woodpecker's CVE-2026-58370 was a gate that trusted the
//! author's name). GitHub and GitLab keep a fork's commits in the repository, so it is fetched from there. Bitbucket
//! does not: there it is fetched from the fork, and as the branch where the event has only 12 digits of the commit.
//!
//! # One event, one build
//! The [`EventKey`](crate::port::EventKey) is made of the Git host, account, project, repository id, event, ref or number
//! of the pull request, `before`, `after` or head, and the event's own time where the body has one. It is never made of
//! the delivery's id, which is not signed. So a delivery that is repeated, or a signed body that somebody recorded and
//! sends again, is answered by the outbox with the first build, in whatever order and after whatever newer pushes.
//!
//! - For as long as the outbox keeps the key. An event that tells its time builds nothing past an age
//!   ([`Hook::with_max_age`], 6 days), so its key must be kept longer than that (the SQLite outbox keeps keys for 7 days).
//!   For one that tells none (below) keep keys while the secret is valid: without its key, an old push that somebody
//!   recorded builds its old commit anew. After a rotation, keys older than that can go.
//! - Within one store. Processes that record in stores of their own do not know each other's keys: give them one store,
//!   or each webhook a process.
//! - GitHub tells when a push was (`pushed_at`), so a branch that is forced back and forth builds each time, and a pull
//!   request that is reopened builds anew (`updated_at`; GitLab's too). GitLab's and Bitbucket's pushes, and Bitbucket's
//!   pull requests, tell none: a push that repeats the `before` and `after` of an earlier one is
//!   taken for it. Where that is wrong, a person asks for a rebuild ([`rebuild_key`]).
//!
//! # Where the rules come from
//! GitHub: "Webhook events and payloads", "Validating webhook deliveries". GitLab: "Webhooks", "Webhook events".
//! Bitbucket Cloud: "Manage webhooks", "Event payloads". Every example payload of `@octokit/webhooks-examples` is a test.

mod bitbucket;
mod body;
mod change;
mod decision;
mod github;
mod gitlab;
mod headers;
mod hook;
mod key;
mod label;
mod reason;
mod received;
mod refusal;
mod repository;
mod secrets;
mod settings;

pub use body::{BoundedBody, DEFAULT_BODY_BYTES};
pub use decision::{Decision, RefusedSource, Verdict};
pub use hook::{DEFAULT_MAX_AGE, Hook, HookScope};
pub use key::rebuild_key;
pub use label::{Label, MAX_LABEL_BYTES};
pub use reason::Reason;
pub use received::Received;
pub use refusal::Refusal;
pub use repository::{GitHost, InvalidRepositoryId, Provider, RepositoryId};
pub use secrets::{InvalidSecrets, MAX_SECRETS, MIN_SECRET_BYTES, Secrets};
pub use settings::{Branches, Previews, ProjectSettings};
