//! Three Git hosts, and somebody who would like to be one.

use std::io;
use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use netbuild_core::intake::webhook::{GitHost, Provider};
use netbuild_core::model::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const OLD: &str = "95790bf891e76fee5e1747ab589903a6a1f80f22";
const NEW: &str = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7";

/// A Git host's webhook: its name in the URL, and the repository that it speaks of.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) host: GitHost,
    pub(crate) repository: &'static str,
    pub(crate) secret: &'static str,
}

/// A request, and the status that it deserves.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) what: &'static str,
    pub(crate) expected: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Site {
    pub(crate) fn all() -> [Site; 3] {
        let (github, gitlab, bitbucket) = (GitHost::github(), GitHost::gitlab(), GitHost::bitbucket());
        let uuid = "673a6070-3421-46c9-9d48-90745f7bfe8e";
        [
            Site { name: "github", host: github, repository: "186853002", secret: "a secret of github" },
            Site { name: "gitlab", host: gitlab, repository: "15", secret: "a secret of gitlab" },
            Site { name: "bitbucket", host: bitbucket, repository: uuid, secret: "a secret of bitbucket" },
        ]
    }

    /// One push, and what must not become a second one.
    pub(crate) fn deliveries(&self, now: Timestamp) -> Vec<Delivery> {
        let [push, other] = self.events(now);
        let pushed = |what, expected| self.delivery(what, expected, &push);
        let mut unsigned = pushed("a push without a signature", 401);
        unsigned.headers.retain(|(name, _)| *name != self.proof());
        let mut forged = pushed("a push that somebody else signed", 401);
        forged.set(self.proof(), self.prove("a secret that nobody set", &forged.body));
        let mut form = pushed("a form", 415);
        form.set("Content-Type", "application/x-www-form-urlencoded".to_owned());
        let mut huge = pushed("100 MB, announced", 413);
        huge.set("Content-Length", "104857600".to_owned());
        let mut again = pushed("the same push under another delivery id", 202);
        again.set(self.delivery_id(), "another".to_owned());
        let other = self.delivery("an event that starts no build", 200, &other);
        vec![pushed("a push", 202), again, other, unsigned, forged, form, huge]
    }

    /// The event's name and body: a push to the production branch, and something else.
    fn events(&self, now: Timestamp) -> [(&'static str, Value); 2] {
        let full_ref = "refs/heads/main";
        match self.host.provider() {
            Provider::GitHub => {
                let repository = json!({
                    "id": 186_853_002, "clone_url": "https://github.com/demo/site.git",
                    "pushed_at": now.as_millis() / 1000,
                });
                let push = json!({ "ref": full_ref, "before": OLD, "after": NEW, "repository": repository });
                [("push", push), ("fork", json!({ "repository": repository }))]
            }
            Provider::GitLab => {
                let project = json!({ "id": 15, "git_http_url": "https://gitlab.com/demo/site.git" });
                let push = json!({
                    "object_kind": "push", "ref": full_ref, "before": OLD, "after": NEW, "project": project,
                });
                [("Push Hook", push), ("Issue Hook", json!({ "object_kind": "issue", "project": project }))]
            }
            _ => {
                let branch = |hash: &str| json!({ "type": "branch", "name": "main", "target": { "hash": hash } });
                let repository = json!({ "uuid": format!("{{{}}}", self.repository), "full_name": "demo/site" });
                let changes = json!([{ "old": branch(OLD), "new": branch(NEW) }]);
                let push = json!({ "repository": repository, "push": { "changes": changes } });
                [("repo:push", push), ("repo:fork", json!({ "repository": repository }))]
            }
        }
    }

    fn delivery(&self, what: &'static str, expected: u16, (event, body): &(&'static str, Value)) -> Delivery {
        let body = body.to_string();
        let headers = vec![
            ("Content-Length", body.len().to_string()),
            ("Content-Type", "application/json".to_owned()),
            (self.event(), (*event).to_owned()),
            (self.delivery_id(), "one".to_owned()),
            (self.proof(), self.prove(self.secret, &body)),
        ];
        Delivery { what, expected, headers, body }
    }

    fn prove(&self, secret: &str, body: &str) -> String {
        if self.host.provider() == Provider::GitLab {
            return secret.to_owned();
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(body.as_bytes());
        let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256={digits}")
    }

    fn proof(&self) -> &'static str {
        match self.host.provider() {
            Provider::GitHub => "X-Hub-Signature-256",
            Provider::GitLab => "X-Gitlab-Token",
            _ => "X-Hub-Signature",
        }
    }

    fn event(&self) -> &'static str {
        match self.host.provider() {
            Provider::GitHub => "X-GitHub-Event",
            Provider::GitLab => "X-Gitlab-Event",
            _ => "X-Event-Key",
        }
    }

    fn delivery_id(&self) -> &'static str {
        match self.host.provider() {
            Provider::GitHub => "X-GitHub-Delivery",
            Provider::GitLab => "X-Gitlab-Event-UUID",
            _ => "X-Request-UUID",
        }
    }
}

impl Delivery {
    fn set(&mut self, name: &'static str, value: String) {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
    }

    /// Posts it to a webhook's URL; the answer's status and words.
    pub(crate) async fn send(&self, address: SocketAddr, name: &str) -> io::Result<(u16, String)> {
        let mut head = format!("POST /hooks/{name} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(format!("{head}\r\n{}", self.body).as_bytes()).await?;
        let mut answer = Vec::new();
        // A receiver that refuses a body closes without having read it, which can end in a reset behind the answer.
        let end = connection.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        match (status, answer.split_once("\r\n\r\n")) {
            (Some(status), Some((_, words))) => Ok((status, words.to_owned())),
            _ => Err(end.err().unwrap_or_else(|| io::Error::other("no answer"))),
        }
    }
}
