//! What fuzz targets share.

use hmac::{Hmac, KeyInit, Mac};
use netbuild_core::intake::webhook::{
    Branches, GitHost, Hook, HookScope, Previews, ProjectSettings, Provider, RepositoryId, Secrets, Verdict,
};
use netbuild_core::model::{
    AccountId, BuildId, BuildSpec, DeployContext, ProjectId, Revision, Timestamp, Transport, Trust,
};
use netbuild_core::port::MAX_EVENT_KEY_BYTES;
use sha2::Sha256;

const SECRET: &str = "the secret of a fuzzed webhook";

/// Sends bytes as a webhook's request: a line with the event's name, then the body, signed, so that they reach the
/// parser. Any bytes are answered; what builds is of the right project, bounded, and fetched from the Git host.
pub fn webhook(host: GitHost, id: &str, bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else { return };
    let (event, body) = (&bytes[..end], &bytes[end + 1..]);
    let (event_header, proof_header) = match host.provider() {
        Provider::GitHub => ("X-GitHub-Event", "X-Hub-Signature-256"),
        Provider::GitLab => ("X-Gitlab-Event", "X-Gitlab-Token"),
        _ => ("X-Event-Key", "X-Hub-Signature"),
    };
    let proof = if host.provider() == Provider::GitLab { SECRET.to_owned() } else { signature(body) };
    let headers = [(event_header, event), (proof_header, proof.as_bytes()), ("Content-Type", &b"application/json"[..])];

    let account = AccountId::new("acme").expect("a name");
    let secrets = Secrets::new([SECRET.into()]).expect("a secret");
    let hook = Hook::new(host.clone(), HookScope::Account(account.clone()), secrets);
    let Ok(received) = hook.receive(headers, body) else { return };
    let own = RepositoryId::new(host.clone(), id).expect("an id");
    let name = ProjectId::new("site").expect("a name");
    let mut project = ProjectSettings::new(account, name, own.clone(), "main", BuildSpec::new("make"));
    (project.branches, project.previews) = (Branches::All, Previews::OwnAndForks);

    let decision = received.decide([&project], Timestamp::EPOCH, || BuildId::new(Timestamp::EPOCH, [0; 10]));
    assert!(!decision.verdicts.is_empty(), "no answer");
    assert!(decision.to_string().chars().all(|c| c == '\n' || !c.is_control()), "it writes into a log");
    for verdict in &decision.verdicts {
        let Verdict::Build(event) = verdict else { continue };
        assert_eq!(received.repository(), Some(&own), "another repository's event");
        assert!((1..=MAX_EVENT_KEY_BYTES).contains(&event.key.0.len()));
        let (url, revision) = (&event.build.source.repository, &event.build.source.revision);
        assert!(url.transport() != Transport::File && url.as_str().to_lowercase().contains(host.name()), "{url}");
        match &event.build.context {
            DeployContext::Preview(number) => assert!(number.parse::<u64>().is_ok()),
            DeployContext::Production | DeployContext::Branch(_) => {
                assert!(event.build.trust == Trust::Trusted && matches!(revision, Revision::Commit(_)));
            }
            other => panic!("{other:?} is a context that this target does not know"),
        }
    }
}

fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}
