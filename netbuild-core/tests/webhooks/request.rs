//! Requests as the Git hosts make them, and decisions in a line of text.

use hmac::{Hmac, KeyInit, Mac};
use netbuild_core::intake::webhook::{
    Branches, Decision, GitHost, Hook, HookScope, Previews, ProjectSettings, Provider, Received, Refusal, RepositoryId,
    Secrets, Verdict,
};
use netbuild_core::model::{AccountId, BuildId, BuildSpec, ProjectId, Timestamp};
use netbuild_core::port::{Event, EventKey};
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;

/// The secret of the webhooks of these tests.
pub(crate) const SECRET: &str = "canary-e1b0c7a95d2f4836";

/// The time of these tests: an hour after GitHub's examples were recorded, on 2019-05-15.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_557_937_257_000);

/// The commit ids of the constructed payloads.
pub(crate) const OLD: &str = "95790bf891e76fee5e1747ab589903a6a1f80f22";
pub(crate) const NEW: &str = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7";

pub(crate) const PROVIDERS: [Provider; 3] = [Provider::GitHub, Provider::GitLab, Provider::Bitbucket];

pub(crate) fn host(provider: Provider) -> GitHost {
    match provider {
        Provider::GitHub => GitHost::github(),
        Provider::GitLab => GitHost::gitlab(),
        Provider::Bitbucket => GitHost::bitbucket(),
        other => panic!("{other:?} is unknown to these tests"),
    }
}

pub(crate) fn secrets(texts: &[&str]) -> Secrets {
    Secrets::new(texts.iter().map(|text| SecretString::from(*text))).unwrap()
}

/// The webhook of the account `acme`.
pub(crate) fn hook(provider: Provider) -> Hook {
    Hook::new(host(provider), HookScope::Account(account("acme")), secrets(&[SECRET]))
}

pub(crate) fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

/// The project `site` of the account `acme`, which builds all it can.
pub(crate) fn project(provider: Provider, id: &str) -> ProjectSettings {
    let repository = RepositoryId::new(host(provider), id).unwrap();
    let name = ProjectId::new("site").unwrap();
    let mut project = ProjectSettings::new(account("acme"), name, repository, "main", BuildSpec::new("make"));
    project.branches = Branches::All;
    project.previews = Previews::OwnAndForks;
    project
}

/// One request: a list of headers and a body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) provider: Provider,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A request as the Git host sends it, with the headers that it has beside those that count.
    pub(crate) fn new(provider: Provider, event: &str, body: impl Into<Vec<u8>>) -> Self {
        let (name, delivery) = match provider {
            Provider::GitHub => ("X-GitHub-Event", "X-GitHub-Delivery"),
            Provider::GitLab => ("X-Gitlab-Event", "X-Gitlab-Event-UUID"),
            _ => ("X-Event-Key", "X-Request-UUID"),
        };
        let body = body.into();
        let mut request = Request { provider, headers: Vec::new(), body };
        request.set("Content-Length", request.body.len().to_string());
        request.set("Content-Type", "application/json");
        request.set("User-Agent", "a-git-host/1");
        request.set(name, event);
        request.set(delivery, "72d3162e-cc78-11e3-81ab-4c9367dc0958");
        request.sign(SECRET);
        request
    }

    pub(crate) fn json(provider: Provider, event: &str, body: &Value) -> Self {
        Request::new(provider, event, body.to_string())
    }

    /// The header that proves where the request comes from.
    pub(crate) fn proof(&self) -> &'static str {
        match self.provider {
            Provider::GitHub => "X-Hub-Signature-256",
            Provider::GitLab => "X-Gitlab-Token",
            _ => "X-Hub-Signature",
        }
    }

    pub(crate) fn sign(&mut self, secret: &str) {
        let proof = match self.provider {
            Provider::GitLab => secret.to_owned(),
            _ => signature(secret, &self.body),
        };
        self.set(self.proof(), proof);
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.add(name, value);
    }

    pub(crate) fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.headers.push((name.to_owned(), value.into()));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    pub(crate) fn receive(&self) -> Result<Received, Refusal> {
        self.receive_by(&hook(self.provider))
    }

    pub(crate) fn receive_by(&self, hook: &Hook) -> Result<Received, Refusal> {
        hook.receive(self.headers.iter().map(|(name, value)| (name, value)), &self.body)
    }

    pub(crate) fn decide(&self, project: &ProjectSettings) -> Decision {
        decide(&self.receive().unwrap(), [project])
    }

    /// The key of the one build that a request asks for.
    pub(crate) fn key(&self, project: &ProjectSettings) -> EventKey {
        let [event] = <[Event; 1]>::try_from(self.decide(project).events()).unwrap();
        event.key
    }
}

/// The signature of a body as GitHub and Bitbucket write it.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

pub(crate) fn decide<'p>(received: &Received, projects: impl IntoIterator<Item = &'p ProjectSettings>) -> Decision {
    let mut next = 0;
    received.decide(projects, NOW, || {
        next += 1;
        BuildId::new(Timestamp::EPOCH, [next; 10])
    })
}

/// A decision as a test can compare and a person can read it: a line for each verdict.
pub(crate) fn summary(decision: &Decision) -> Vec<String> {
    let line = |verdict: &Verdict| match verdict {
        Verdict::Build(event) => {
            let build = &event.build;
            let trust = format!("{:?}", build.trust).to_lowercase();
            format!("{} {trust} {} {}", build.context, build.source.repository, build.source.revision)
        }
        other => other.to_string(),
    };
    decision.verdicts.iter().map(line).collect()
}
