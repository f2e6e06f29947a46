//! Reports and uploads that lie, come late or are too many.

use netbuild_core::model::{
    AttemptId, CacheScope, Cause, DeployContext, DeployInfo, Digest, Failure, GatewayClaim, Manifest, ManifestFile,
    Outcome, PublishPath, Report,
};
use netbuild_core::port::Order;
use netbuild_runner::gateway::GatewayLimits;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::world::{Answer, World, answer, attempt, attempt_of, claim, key, manifest_of};

const SITE: &[(&str, &str)] = &[("index.html", "a"), ("b.html", "bb")];

/// A success with a deploy, as an honest runner reports it.
fn success(manifest: &Manifest) -> Report {
    let deploy = DeployInfo {
        manifest: manifest.digest(),
        files: manifest.files.len() as u64,
        bytes: manifest.total_bytes(),
        uploaded: 0,
    };
    Report::of(Outcome::Succeeded { deploy: Some(deploy) })
}

async fn report(world: &World, attempt: &AttemptId, report: &Report) -> Answer {
    answer(world.request(Method::POST, "/v1/report", attempt).json(report)).await
}

/// How many reports reached the scheduler.
fn taken(world: &World) -> usize {
    world.control.reports.lock().unwrap().len()
}

#[tokio::test]
async fn a_forged_token_reports_nothing() {
    let world = World::new().await;
    let (own, other) = (key().token(&claim(&attempt())), key().token(&claim(&attempt_of("other", "site", 1))));
    let (own, other) = (own.expose_secret(), other.expose_secret());
    let ((own_claim, own_mac), (other_claim, other_mac)) =
        (own.split_once('.').unwrap(), other.split_once('.').unwrap());
    let untrusted = GatewayClaim { scope: CacheScope::Untrusted(DeployContext::Production), ..claim(&attempt()) };
    let untrusted = key().token(&untrusted);
    let (untrusted_claim, _) = untrusted.expose_secret().split_once('.').unwrap();
    let forged = [
        format!("{own_claim}.{other_mac}"),
        format!("{other_claim}.{own_mac}"),
        format!("{untrusted_claim}.{own_mac}"),
        format!("{own_claim}."),
        format!(".{own_mac}"),
        format!("{own_claim}.{own_mac}.{own_mac}"),
        own.to_uppercase(),
        own[..own.len() - 2].to_owned(),
        String::new(),
    ];
    for token in forged {
        let request = world.bare(Method::POST, "/v1/report").header("authorization", format!("Bearer {token}"));
        assert_eq!(answer(request.json(&Report::of(Outcome::Cancelled))).await.refused(), 401, "{token}");
    }
    assert_eq!(taken(&world), 0);
}

#[tokio::test]
async fn a_success_is_passed_on_only_with_a_deploy_that_is_stored_as_it_says() {
    let world = World::new().await;
    let foreign = world.deploy(&attempt_of("other", "site", 1), SITE).await;
    let neighbour = world.deploy(&attempt_of("acme", "other", 1), SITE).await;
    let never = manifest_of(&[("index.html", "never uploaded")]);
    for manifest in [&foreign, &neighbour, &never] {
        assert_eq!(report(&world, &attempt(), &success(manifest)).await.refused(), 422);
    }
    let own = world.deploy(&attempt(), SITE).await;
    for change in [
        |deploy: &mut DeployInfo| deploy.files += 1,
        |deploy: &mut DeployInfo| deploy.bytes -= 1,
        |deploy: &mut DeployInfo| deploy.uploaded = 3,
    ] {
        let mut lie = success(&own);
        if let Outcome::Succeeded { deploy: Some(deploy) } = &mut lie.outcome {
            change(deploy);
        }
        assert_eq!(report(&world, &attempt(), &lie).await.refused(), 422, "{lie:?}");
    }
    assert_eq!(taken(&world), 0);
    assert_eq!(report(&world, &attempt(), &success(&own)).await.status, 204);
    assert_eq!(taken(&world), 1);
}

#[tokio::test]
async fn after_a_restart_the_deploy_of_a_report_is_checked_to_its_last_file() {
    let mut world = World::new().await;
    let manifest = world.deploy(&attempt(), SITE).await;
    world.restart().await;
    let file = world.stored().into_iter().find(|path| path.ends_with(Digest::of("bb").to_string())).unwrap();
    let file = world.folder.path().join("store").join(file);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(report(&world, &attempt(), &success(&manifest)).await.refused(), 409, "a file is missing");
    std::fs::write(&file, "bbb").unwrap();
    assert_eq!(report(&world, &attempt(), &success(&manifest)).await.refused(), 409, "it has another size");
    std::fs::write(&file, "bb").unwrap();
    let stored = world.stored().into_iter().find(|path| path.extension().is_some()).unwrap();
    let stored = world.folder.path().join("store").join(stored);
    std::fs::write(&stored, manifest_of(&[("other.html", "a"), ("b.html", "bb")]).to_bytes()).unwrap();
    assert_eq!(report(&world, &attempt(), &success(&manifest)).await.refused(), 422, "another manifest under its name");
    assert_eq!(taken(&world), 0);
    std::fs::write(&stored, manifest.to_bytes()).unwrap();
    assert_eq!(report(&world, &attempt(), &success(&manifest)).await.status, 204);
}

#[tokio::test]
async fn a_report_after_the_first_one_has_no_effect() {
    let world = World::new().await;
    let first = Report::of(Outcome::Failed(Failure::new(Cause::CommandFailed { code: 1 }, "")));
    assert_eq!(report(&world, &attempt(), &first).await.status, 204);
    let manifest = manifest_of(SITE);
    for again in [first.clone(), Report::of(Outcome::Cancelled), success(&manifest)] {
        assert_eq!(report(&world, &attempt(), &again).await.status, 204, "nobody needs to repeat it");
    }
    assert_eq!(*world.control.reports.lock().unwrap(), [(attempt(), first)]);
}

#[tokio::test]
async fn a_token_ends_with_its_attempt() {
    let world =
        World::with_limits(GatewayLimits { trust: std::time::Duration::ZERO, ..GatewayLimits::default() }).await;
    let later = attempt_of("acme", "site", 2);
    let manifest = world.deploy(&attempt(), SITE).await;
    world.control.over.lock().unwrap().insert(attempt());
    let stored = world.stored();
    assert_eq!(world.upload(&attempt(), "new").await.refused(), 410);
    for (path, body) in [("/v1/manifest", manifest.to_bytes()), ("/v1/log?from=0", b"x".to_vec())] {
        assert_eq!(answer(world.request(Method::PUT, path, &attempt()).body(body)).await.refused(), 410, "{path}");
    }
    let question = world.request(Method::POST, "/v1/files/missing", &attempt()).json(&json!({"digests": []}));
    assert_eq!(answer(question).await.refused(), 410);
    assert_eq!(report(&world, &attempt(), &success(&manifest)).await.status, 204);
    assert_eq!((taken(&world), world.stored()), (0, stored));
    assert_eq!(world.upload(&later, "new").await.status, 204, "the attempt after it goes on");
}

#[tokio::test]
async fn a_heartbeat_of_an_attempt_that_is_over_is_still_told_to_stop() {
    let world = World::new().await;
    assert_eq!(report(&world, &attempt(), &Report::of(Outcome::Cancelled)).await.status, 204);
    *world.control.answer.lock().unwrap() = Ok(Order::Stop);
    let beat = world.request(Method::POST, "/v1/heartbeat", &attempt()).json(&json!({"phase": "run"}));
    assert_eq!(answer(beat).await.body, json!({"order": "stop"}));
}

#[tokio::test]
async fn bytes_and_uploads_of_one_attempt_are_bounded_failed_ones_included() {
    let limits = GatewayLimits { attempt_bytes: 25, attempt_uploads: 1_000, ..GatewayLimits::default() };
    let world = World::with_limits(limits).await;
    assert_eq!(world.upload(&attempt(), "0123456789").await.status, 204);
    let lie = world.request(Method::PUT, &format!("/v1/files/{}", Digest::of("else")), &attempt());
    assert_eq!(answer(lie.body("0123456789")).await.refused(), 422);
    assert_eq!(world.upload(&attempt(), "abcdef").await.refused(), 403, "twenty are spent");
    assert_eq!(
        world.upload(&attempt_of("acme", "site", 2), "abcdef").await.status,
        204,
        "another attempt's are its own"
    );

    let world = World::with_limits(GatewayLimits { attempt_uploads: 2, ..GatewayLimits::default() }).await;
    for expected in [204, 204, 403, 403] {
        assert_eq!(world.upload(&attempt(), "x").await.status, expected);
    }
    let put = world.request(Method::PUT, "/v1/manifest", &attempt()).body(manifest_of(SITE).to_bytes());
    assert_eq!(answer(put).await.refused(), 403, "a manifest is an upload too");
}

#[tokio::test]
async fn heartbeats_and_reports_of_one_attempt_are_bounded_and_cost_others_nothing() {
    let world = World::with_limits(GatewayLimits { attempt_requests: 1, ..GatewayLimits::default() }).await;
    let beat = async |attempt: &AttemptId| {
        answer(world.request(Method::POST, "/v1/heartbeat", attempt).json(&json!({"phase": "run"}))).await.status
    };
    let mut refused = 0;
    for _ in 0..100 {
        refused += usize::from(beat(&attempt()).await == 429);
    }
    let reached = world.control.beats.lock().unwrap().len();
    assert_eq!(refused + reached, 100);
    assert!(refused > 0, "a hundred took less than a hundred seconds");
    assert_eq!(beat(&attempt_of("acme", "site", 2)).await, 200);
    let reports = async || report(&world, &attempt(), &Report::of(Outcome::Cancelled)).await.status;
    assert!([reports().await, reports().await, reports().await].contains(&429));
}

#[tokio::test]
async fn manifests_over_the_bounds_or_made_to_confuse_are_refused() {
    let limits = GatewayLimits { deploy_files: 2, deploy_bytes: 10, ..GatewayLimits::default() };
    let world = World::with_limits(limits).await;
    let put = async |bytes: Vec<u8>| answer(world.request(Method::PUT, "/v1/manifest", &attempt()).body(bytes)).await;
    for content in ["a", "0123456789"] {
        assert_eq!(world.upload(&attempt(), content).await.status, 204);
    }
    let three = manifest_of(&[("a", "a"), ("b", "a"), ("c", "a")]);
    let large = manifest_of(&[("a", "a"), ("b", "0123456789")]);
    let overflowing = {
        let file = |content| ManifestFile { digest: Digest::of(content), bytes: u64::MAX };
        let path = |text| PublishPath::parse(text).unwrap();
        Manifest { files: [(path("a"), file("a")), (path("b"), file("b"))].into() }
    };
    for manifest in [three, large, overflowing] {
        assert_eq!(put(manifest.to_bytes()).await.refused(), 413, "{manifest:?}");
    }
    let file = serde_json::to_string(&ManifestFile { digest: Digest::of("a"), bytes: 1 }).unwrap();
    let files = |entries: &[&str]| {
        let entries: Vec<_> = entries.iter().map(|path| format!("{path}:{file}")).collect();
        format!(r#"{{"files":{{{}}}}}"#, entries.join(",")).into_bytes()
    };
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(1 << 20), "]".repeat(1 << 20)).into_bytes();
    for bytes in [
        files(&[r#""a""#, r#""a""#]),
        files(&[r#""a""#, r#""\u0061""#]),
        files(&[r#""a""#, r#""A""#]),
        files(&[r#""a""#, r#""A/b""#]),
        files(&[r#""../a""#]),
        files(&[r#""a/../../b""#]),
        files(&[r#""/etc/passwd""#]),
        files(&[r#""a\u0000""#]),
        deep,
    ] {
        let answer = put(bytes.clone()).await;
        assert_eq!(answer.refused(), 422, "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)]));
    }
    assert_eq!(world.stored().len(), 2, "no manifest");
    assert_eq!(put(files(&[r#""a""#, r#""b""#])).await.status, 200, "the bounds themselves are within them");
}
