//! Whatever comes: an answer. Whatever is altered: a refusal.

use netbuild_core::intake::webhook::Provider;
use netbuild_core::port::MAX_EVENT_KEY_BYTES;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed};
use serde_json::{Map, Value, json};

use crate::request::{PROVIDERS, Request, project};
use crate::verify::push;
use crate::{bitbucket, github, gitlab};

/// 512 cases, the same each time; with `NETBUILD_SOAK=1` 20,000, others each time.
fn cases() -> Config {
    let soak = std::env::var_os("NETBUILD_SOAK").is_some_and(|soak| soak == "1");
    let (cases, rng_seed) = if soak { (20_000, RngSeed::Random) } else { (512, RngSeed::Fixed(7)) };
    Config { cases, rng_seed, failure_persistence: None, ..Config::default() }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        select(vec!["refs/heads/main", "refs/tags/v1", "0000000000000000000000000000000000000000"])
            .prop_map(Value::from),
    ];
    let name = prop_oneof![".{0,5}", select(vec!["ref", "repository", "id", "push", "changes"]).prop_map(String::from)];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Every value within a payload, by its place.
fn places(value: &Value, at: String, into: &mut Vec<String>) {
    into.push(at.clone());
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| places(value, format!("{at}/{index}"), into));
        }
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            places(value, format!("{at}/{name}"), into);
        }),
        _ => {}
    }
}

/// Payloads that build, with their events and repositories.
fn payloads() -> Vec<(Provider, &'static str, &'static str, Value)> {
    let main = github::push("refs/heads/main", crate::request::OLD, crate::request::NEW);
    vec![
        (Provider::GitHub, "push", "186853002", main),
        (Provider::GitHub, "pull_request", "186853002", github::opened()),
        (Provider::GitLab, "Push Hook", "15", gitlab::payload("push")),
        (Provider::GitLab, "Merge Request Hook", "15", gitlab::payload("merge_request_update")),
        (Provider::Bitbucket, "repo:push", bitbucket::ID, bitbucket::payload("push_many")),
        (Provider::Bitbucket, "pullrequest:created", bitbucket::ID, bitbucket::payload("pullrequest_fork")),
    ]
}

/// The request is answered, and what it builds keeps the rules of whoever it is for.
fn answered(request: &Request, id: &str) -> Result<(), TestCaseError> {
    let Ok(received) = request.receive() else { return Ok(()) };
    let decision = crate::request::decide(&received, [&project(request.provider, id)]);
    prop_assert!(!decision.verdicts.is_empty());
    prop_assert!(matches!(decision.status(), 200 | 202 | 400));
    prop_assert!(decision.to_string().chars().all(|c| c == '\n' || !c.is_control()));
    for event in decision.events() {
        prop_assert!((1..=MAX_EVENT_KEY_BYTES).contains(&event.key.0.len()));
        prop_assert_eq!(event.build.account.as_str(), "acme");
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_json_is_answered(body in any_json(), which in any::<Index>()) {
        let payloads = payloads();
        let (provider, event, id, _) = which.get(&payloads);
        answered(&Request::json(*provider, event, &body), id)?;
        // GitLab says in the body what it is.
        if let (Provider::GitLab, Value::Object(fields)) = (provider, &body) {
            for kind in ["push", "merge_request"] {
                let mut fields = fields.clone();
                fields.insert("object_kind".to_owned(), json!(kind));
                answered(&Request::json(*provider, event, &Value::Object(fields)), id)?;
            }
        }
    }

    #[test]
    fn a_payload_with_any_value_in_any_place_is_answered(
        which in any::<Index>(), place in any::<Index>(), value in any_json(),
    ) {
        let payloads = payloads();
        let (provider, event, id, body) = which.get(&payloads);
        let mut all = Vec::new();
        places(body, String::new(), &mut all);
        let mut body = body.clone();
        let place: &String = place.get(&all);
        *body.pointer_mut(place).unwrap() = value;
        answered(&Request::json(*provider, event, &body), id)?;
    }

    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..200), which in any::<Index>()) {
        let payloads = payloads();
        let (provider, event, id, _) = which.get(&payloads);
        answered(&Request::new(*provider, event, body), id)?;
    }

    #[test]
    fn one_altered_byte_of_a_signed_body_refuses(
        provider in select(vec![Provider::GitHub, Provider::Bitbucket]), place in any::<Index>(), flip in 1..=255u8,
    ) {
        let mut request = push(provider);
        let place = place.index(request.body.len());
        request.body[place] ^= flip;
        prop_assert_eq!(request.receive().map(|_| ()).unwrap_err().status(), 401);
    }

    #[test]
    fn one_altered_byte_of_a_signature_or_token_refuses(
        provider in select(PROVIDERS.to_vec()), place in any::<Index>(), flip in 1..=255u8,
    ) {
        let mut request = push(provider);
        let name = request.proof();
        let proof = &mut request.headers.iter_mut().find(|(header, _)| header == name).unwrap().1;
        let place = place.index(proof.len());
        let old = proof[place];
        proof[place] ^= flip;
        // Hexadecimal digits are the same digits in either case; nothing else is the same.
        prop_assume!(provider == Provider::GitLab || place < 7 || !proof[place].eq_ignore_ascii_case(&old));
        prop_assert_eq!(request.receive().map(|_| ()).unwrap_err().status(), 401);
    }

    /// Whatever the fields of a pull request say, only one from the repository itself is trusted.
    #[test]
    fn only_the_repositorys_own_id_is_trusted(id in prop_oneof![Just(186_853_002), any::<u64>()], text in ".{0,20}") {
        let (_, _, _, mut body) = payloads().remove(1);
        body["pull_request"]["head"]["repo"]["id"] = json!(id);
        for field in ["/pull_request/head/repo/full_name", "/pull_request/head/label", "/sender/login"] {
            *body.pointer_mut(field).unwrap() = json!(text);
        }
        let request = Request::json(Provider::GitHub, "pull_request", &body);
        let events = request.decide(&project(Provider::GitHub, "186853002")).events();
        let trusted = events[0].build.trust == netbuild_core::model::Trust::Trusted;
        prop_assert_eq!(trusted, id == 186_853_002);
    }
}
