//! Who may speak: signatures, tokens, and that nothing shows a secret.

use netbuild_core::intake::webhook::{Hook, HookScope, InvalidSecrets, Provider, Refusal, Secrets};
use secrecy::SecretString;

use crate::github;
use crate::request::{NEW, OLD, PROVIDERS, Request, SECRET, account, host, secrets, signature};
use crate::{bitbucket, gitlab};

/// A push that builds, of each provider.
pub(crate) fn push(provider: Provider) -> Request {
    match provider {
        Provider::GitHub => Request::json(provider, "push", &github::push("refs/heads/main", OLD, NEW)),
        Provider::GitLab => Request::json(provider, "Push Hook", &gitlab::payload("push")),
        _ => Request::json(provider, "repo:push", &bitbucket::payload("push")),
    }
}

#[test]
fn a_signature_of_a_secret_is_taken_and_every_other_is_refused() {
    for provider in PROVIDERS {
        let good = push(provider);
        let header = good.proof();
        good.receive().unwrap();

        let mut wrong = good.clone();
        wrong.sign("another-secret-of-somebody");
        assert_eq!(wrong.receive().unwrap_err(), Refusal::SignatureWrong { header });

        let mut missing = good.clone();
        missing.remove(header);
        assert_eq!(missing.receive().unwrap_err(), Refusal::SignatureMissing { header });

        // The right one twice, and the right one beside a wrong one in either order.
        let right = good.headers.iter().find(|(name, _)| name == header).unwrap().1.clone();
        let bad = wrong.headers.iter().find(|(name, _)| name == header).unwrap().1.clone();
        for (first, second) in [(&right, &right), (&right, &bad), (&bad, &right)] {
            let mut twice = good.clone();
            twice.set(header, first.clone());
            twice.add(&header.to_lowercase(), second.clone());
            assert_eq!(twice.receive().unwrap_err(), Refusal::SignatureRepeated { header });
        }

        for text in [&b""[..], b"sha256=", b"\xff\xfe", &right[..right.len() - 1], &[&right[..], b"0"].concat()] {
            let mut malformed = good.clone();
            malformed.set(header, text);
            let refusal = malformed.receive().unwrap_err();
            assert_eq!(refusal.status(), 401, "{refusal}");
        }
    }
}

#[test]
fn names_of_headers_are_compared_without_case() {
    for provider in PROVIDERS {
        let mut request = push(provider);
        for (name, _) in &mut request.headers {
            *name = name.to_uppercase();
        }
        request.receive().unwrap();
    }
}

/// The published test values of GitHub's "Validating webhook deliveries".
#[test]
fn the_signature_is_the_one_that_github_documents() {
    let text = signature("It's a Secret to Everybody", b"Hello, World!");
    assert_eq!(text, "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    let hook = Hook::new(
        host(Provider::GitHub),
        HookScope::Account(account("acme")),
        secrets(&["It's a Secret to Everybody"]),
    );
    let mut request = Request::new(Provider::GitHub, "push", "Hello, World!");
    request.set("X-Hub-Signature-256", text);
    // Past the signature, where it turns out to be no JSON.
    assert!(matches!(request.receive_by(&hook).unwrap_err(), Refusal::Payload(_)));
}

#[test]
fn sha_1_is_not_taken() {
    let mut request = push(Provider::GitHub);
    let proof = "sha1=0123456789abcdef0123456789abcdef01234567";
    request.add("X-Hub-Signature", proof);
    request.receive().unwrap();
    request.remove("X-Hub-Signature-256");
    let header = "X-Hub-Signature-256";
    assert_eq!(request.receive().unwrap_err(), Refusal::SignatureMissing { header });
    let mut request = push(Provider::Bitbucket);
    request.set("X-Hub-Signature", proof);
    assert_eq!(request.receive().unwrap_err(), Refusal::SignatureMalformed { header: "X-Hub-Signature" });
}

#[test]
fn while_secrets_rotate_each_valid_one_is_taken_and_the_retired_is_not() {
    for provider in PROVIDERS {
        let [retired, old, new] = ["retired-secret-0000", "the-old-secret-0001", "the-new-secret-0002"];
        let scope = HookScope::Account(account("acme"));
        let hook = Hook::new(host(provider), scope, secrets(&[old, new]));
        let mut request = push(provider);
        for valid in [old, new] {
            request.sign(valid);
            request.receive_by(&hook).unwrap();
        }
        for invalid in [retired, "the-old-secret-0001the-new-secret-0002", &old[..16]] {
            request.sign(invalid);
            let header = request.proof();
            assert_eq!(request.receive_by(&hook).unwrap_err(), Refusal::SignatureWrong { header });
        }
    }
}

#[test]
fn secrets_that_let_anybody_in_are_not_taken() {
    let new = |texts: &[&str]| Secrets::new(texts.iter().map(|text| SecretString::from(*text))).map(|_| ());
    assert_eq!(new(&[]), Err(InvalidSecrets::Count));
    assert_eq!(new(&[SECRET; 9]), Err(InvalidSecrets::Count));
    assert_eq!(new(&[SECRET, ""]), Err(InvalidSecrets::Short));
    assert_eq!(new(&["fifteen bytes!!"]), Err(InvalidSecrets::Short));
    assert_eq!(new(&["sixteen bytes!!!"]), Ok(()));
}

/// A clone URL in a body can hold a token, in its place or in another field's.
#[test]
fn nothing_shows_what_a_body_holds() {
    let hidden = "https://user:canary@github.com/acme/site.git";
    let mut body = github::push("refs/heads/main", OLD, NEW);
    body["repository"]["clone_url"] = hidden.into();
    let received = Request::json(Provider::GitHub, "push", &body).receive().unwrap();
    let decision = crate::request::decide(&received, [&crate::request::project(Provider::GitHub, "186853002")]);
    assert!(matches!(decision.verdicts.as_slice(), [netbuild_core::intake::webhook::Verdict::Refused(_)]));
    body["repository"]["id"] = hidden.into();
    let refusal = Request::json(Provider::GitHub, "push", &body).receive().unwrap_err();
    let shown = format!("{received:?} {decision:?} {decision} {refusal:?} {refusal}");
    assert!(!shown.contains("canary"), "{shown}");
    assert!(refusal.to_string().contains("a field is not of its type at line 1 column "), "{refusal}");
}

#[test]
fn nothing_shows_a_secret_or_a_signature() {
    for provider in PROVIDERS {
        let request = push(provider);
        let hook = crate::request::hook(provider);
        let mut wrong = request.clone();
        wrong.sign("canary-of-an-attacker");
        let mut torn = Request::new(provider, "push", b"{\"ref\": 1}".to_vec());
        torn.set("X-GitHub-Event", "push");
        let received = request.receive().unwrap();
        let refusals = [wrong.receive().unwrap_err(), torn.receive().map(|_| ()).err().unwrap_or(Refusal::Encoding)];
        let signature = signature(SECRET, &request.body);
        let shown = format!("{hook:?} {:#?} {received:?} {refusals:?} {} {}", hook, refusals[0], refusals[1]);
        for hidden in [SECRET, "canary", &signature["sha256=".len()..]] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
    }
}
