//! What may be said: lengths, types, and bodies that are not what they seem.

use netbuild_core::intake::webhook::{DEFAULT_BODY_BYTES, Provider, Refusal};
use serde_json::json;

use crate::github;
use crate::request::{NEW, OLD, PROVIDERS, Request, hook, project, summary};
use crate::verify::push;

fn status(request: &Request) -> u16 {
    request.receive().map(|_| 200).unwrap_or_else(|refusal| refusal.status())
}

#[test]
fn a_body_of_100_mb_is_refused_before_a_byte_of_it_is_read() {
    let limit = DEFAULT_BODY_BYTES;
    let refusal = hook(Provider::GitHub).body([("content-length", "104857600")]).unwrap_err();
    assert_eq!((refusal.status(), refusal), (413, Refusal::TooLarge { limit }));
    let huge = "9".repeat(400);
    let refusal = hook(Provider::GitHub).body([("content-length", huge.as_str())]).unwrap_err();
    assert_eq!(refusal, Refusal::TooLarge { limit });
}

/// A body in chunks announces nothing, or little: its bytes are counted.
#[test]
fn a_body_that_grows_past_the_bound_is_refused_there() {
    for headers in [vec![], vec![("Content-Length", "10")]] {
        let mut body = hook(Provider::GitHub).with_body_bytes(1000).body(headers).unwrap();
        body.push(&[b' '; 999]).unwrap();
        body.push(b" ").unwrap();
        body.push(b"").unwrap();
        assert_eq!(body.push(b" ").unwrap_err(), Refusal::TooLarge { limit: 1000 });
    }
}

#[test]
fn the_bound_holds_for_a_reader_of_its_own_too_and_before_the_signature() {
    for provider in PROVIDERS {
        let request = push(provider);
        let exact = hook(provider).with_body_bytes(request.body.len());
        request.receive_by(&exact).unwrap();
        let limit = request.body.len() - 1;
        let mut unsigned = request.clone();
        unsigned.remove(request.proof());
        // Without an announcement only the bytes can tell.
        unsigned.remove("Content-Length");
        let refusal = unsigned.receive_by(&hook(provider).with_body_bytes(limit)).unwrap_err();
        assert_eq!(refusal, Refusal::TooLarge { limit });
        let mut announced = request.clone();
        announced.set("Content-Length", "104857600");
        assert_eq!(announced.receive().unwrap_err(), Refusal::TooLarge { limit: DEFAULT_BODY_BYTES });
    }
}

#[test]
fn a_body_that_ends_early_is_refused() {
    let mut body = hook(Provider::GitLab).body([("Content-Length", "12")]).unwrap();
    body.push(b"{\"ref\":").unwrap();
    assert_eq!(body.finish().unwrap_err(), Refusal::Truncated { announced: 12, received: 7 });
    let mut body = hook(Provider::GitLab).body([("Content-Length", "2"), ("Content-Length", "2")]).unwrap();
    body.push(b"{").unwrap();
    body.push(b"}").unwrap();
    assert_eq!(body.finish().unwrap(), b"{}");

    for provider in PROVIDERS {
        let whole = push(provider);
        for keep in [0, 1, whole.body.len() / 2, whole.body.len() - 1] {
            let mut torn = whole.clone();
            torn.body.truncate(keep);
            let expected = if provider == Provider::GitLab { 400 } else { 401 };
            assert_eq!(status(&torn), expected, "{provider:?} {keep}");
            // Cut before it was signed.
            torn.set("Content-Length", keep.to_string());
            torn.sign(crate::request::SECRET);
            assert_eq!(status(&torn), 400, "{provider:?} {keep}");
        }
    }
}

#[test]
fn a_length_that_is_no_number_is_refused() {
    for text in ["", "-1", "+5", "5 ", "0x10", "1e3", "5, 5", "五"] {
        assert_eq!(hook(Provider::GitHub).body([("Content-Length", text)]).unwrap_err(), Refusal::Length, "{text}");
    }
    let two = [("Content-Length", "5"), ("content-length", "6")];
    assert_eq!(hook(Provider::GitHub).body(two).unwrap_err(), Refusal::Length);
}

#[test]
fn only_json_is_taken_and_the_refusal_says_what_to_choose() {
    for provider in PROVIDERS {
        for right in ["application/json; charset=utf-8", "Application/JSON", "application/json ;x"] {
            let mut request = push(provider);
            request.set("Content-Type", right);
            assert_eq!(status(&request), 200, "{right}");
        }
        for wrong in
            ["application/x-www-form-urlencoded", "text/plain", "", "application/jsonp", "application/json, text/plain"]
        {
            let mut request = push(provider);
            request.set("Content-Type", wrong);
            let refusal = request.receive().unwrap_err();
            assert_eq!((refusal.status(), &refusal), (415, &Refusal::ContentType), "{wrong}");
            assert!(refusal.to_string().contains("choose application/json"), "{refusal}");
            // Nobody without a secret learns that.
            request.sign("another-secret-of-somebody");
            assert_eq!(status(&request), 401);
        }
        let mut missing = push(provider);
        missing.remove("Content-Type");
        assert_eq!(status(&missing), 415);
        let mut twice = push(provider);
        twice.add("Content-Type", "application/json");
        assert_eq!(status(&twice), 415);
    }
    // As GitHub sends it when the webhook says so.
    let mut form = Request::new(Provider::GitHub, "push", "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D");
    form.set("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(status(&form), 415);
}

#[test]
fn the_event_is_named_once() {
    for (provider, header) in PROVIDERS.into_iter().zip(["X-GitHub-Event", "X-Gitlab-Event", "X-Event-Key"]) {
        let mut missing = push(provider);
        missing.remove(header);
        assert_eq!(missing.receive().unwrap_err(), Refusal::EventName { header });
        let mut twice = push(provider);
        twice.add(header, "push");
        assert_eq!(twice.receive().unwrap_err(), Refusal::EventName { header });
        let mut garbled = push(provider);
        garbled.set(header, b"\xff");
        assert_eq!(garbled.receive().unwrap_err(), Refusal::EventName { header });
    }
}

#[test]
fn hostile_json_is_answered_and_never_a_panic() {
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let push = github::push("refs/heads/main", OLD, NEW).to_string();
    let extend = |more: &str| format!("{},{more}}}", push.strip_suffix('}').unwrap());
    let refused: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{".to_vec(),
        format!("{push} {push}").into(),
        b"\xef\xbb\xbf{}".to_vec(),
        nested("[", "]").into(),
        nested("{\"repository\":", "}").into(),
        // A field of each kind that is out of its range, or there twice.
        push.replace("186853002", "-1").into(),
        push.replace("186853002", "18446744073709551616").into(),
        push.replace("186853002", "1e999").into(),
        push.replace("186853002", "1.5").into(),
        push.replace("186853002", "\"186853002\"").into(),
        push.replace("1557933657", "{}").into(),
        extend("\"ref\":\"refs/heads/other\"").into(),
        extend("\"repository\":{\"id\":1}").into(),
        // Not UTF-8, also where nobody looks.
        extend("\"sender\":\"?\"").bytes().map(|byte| if byte == b'?' { 0xff } else { byte }).collect(),
        extend("\"sender\":\"\\ud800\"").into_bytes().into_iter().chain([b'!']).collect(),
    ];
    for body in refused {
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let refusal = Request::new(Provider::GitHub, "push", body).receive().unwrap_err();
        assert_eq!(refusal.status(), 400, "{shown}");
        assert!(refusal.to_string().len() < 300, "{refusal}");
    }
    // What is ignored may be as deep as it likes.
    let deep = Request::new(Provider::GitHub, "push", extend(&format!("\"sender\":{}", nested("[", "]"))));
    assert!(matches!(status(&deep), 200 | 400));
    for event in ["ping", "issues"] {
        assert!(matches!(status(&Request::new(Provider::GitHub, event, nested("[", "]"))), 200 | 400));
    }
}

#[test]
fn hostile_sources_are_refused_with_a_reason_and_nothing_is_built() {
    let project = project(Provider::GitHub, "186853002");
    let mut bodies = Vec::new();
    for url in [
        "ext::sh -c id",
        "--upload-pack=id",
        "file:///etc/passwd",
        "https://user:hunter2@github.com/acme/site",
        "https://github.com/../../x",
        "https://evil.example/acme/site.git",
        "https://github.com.evil.example/acme/site.git",
        "https://github.com:444/acme/site.git",
        "ssh://github.com@evil.example/x",
        "",
    ] {
        let mut body = github::push("refs/heads/main", OLD, NEW);
        body["repository"]["clone_url"] = json!(url);
        bodies.push((url.to_owned(), body));
    }
    for full_ref in
        ["refs/heads/--upload-pack=id;.lock", "refs/heads/a..b", "refs/heads/a b", "refs/heads/", "refs/heads/a\nb"]
            .into_iter()
            .map(str::to_owned)
            .chain([format!("refs/heads/{}", "x".repeat(256))])
    {
        bodies.push((full_ref.clone(), github::push(&full_ref, OLD, NEW)));
    }
    for commit in ["main", "-x", "", "da15608", "refs/heads/main"] {
        bodies.push((commit.to_owned(), github::push("refs/heads/main", OLD, commit)));
    }
    for (what, body) in bodies {
        let decision = Request::json(Provider::GitHub, "push", &body).decide(&project);
        let lines = summary(&decision);
        assert!(lines.len() == 1 && lines[0].starts_with("refused: the event"), "{what}: {lines:?}");
        assert_eq!((decision.status(), decision.events()), (400, vec![]), "{what}");
        assert!(!lines[0].contains("hunter2"), "{lines:?}");
    }
}

/// One bad branch in a list does not keep the good ones from being built.
#[test]
fn a_hostile_change_is_refused_by_itself() {
    let mut body = crate::bitbucket::payload("push_many");
    body["push"]["changes"][1]["new"]["name"] = json!("a..b");
    let project = project(Provider::Bitbucket, crate::bitbucket::ID);
    let decision = Request::json(Provider::Bitbucket, "repo:push", &body).decide(&project);
    let lines = summary(&decision);
    assert!(lines[0].starts_with("production") && lines[1].starts_with("refused"), "{lines:?}");
    assert_eq!((decision.status(), decision.events().len()), (202, 2));
}
