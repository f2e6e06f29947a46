//! Archives that are not what their entries say.

use bytes::Bytes;
use futures_util::TryStreamExt;
use netbuild_core::model::{CacheKey, CacheSpec, Digest};
use netbuild_runner::protocol::SaveCacheRequest;
use netbuild_runner::runner::cache::{Bounds, Header, inspect};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use secrecy::ExposeSecret;

use super::bench::{Attempt, Bench};
use super::cache::{log, story};
use super::repository::Repository;

const MAKE: &str = "test -z \"$CHANGE\" || echo changed > node_modules/change
    if test -e node_modules/dep; then echo found: it; else
    mkdir node_modules; head -c 100000 /dev/urandom > node_modules/dep; echo made; fi";

fn repository() -> Repository {
    let repository = Repository::new();
    repository.write("lock", "1");
    repository.commit("lock");
    repository
}

fn build(bench: &Bench, repository: &Repository) -> Attempt {
    let attempt = bench.attempt(&repository.url(), MAKE).cache(&["node_modules"], "lock");
    attempt.rules(|rules| rules.cache_bytes = 10 << 20)
}

async fn archives(bench: &Bench) -> Vec<Path> {
    let objects: Vec<_> = bench.cached.list(None).try_collect().await.unwrap();
    objects.into_iter().map(|object| object.location).filter(|path| path.as_ref().contains("/archives/")).collect()
}

#[tokio::test]
async fn a_complete_entry_with_broken_content_is_noticed_and_made_anew() {
    let (bench, repository) = (Bench::new().await, repository());
    log(build(&bench, &repository)).await;
    let [archive] = &archives(&bench).await[..] else { panic!("one archive") };
    let mut bytes = bench.cached.get(archive).await.unwrap().bytes().await.unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bench.cached.put(archive, bytes.into()).await.unwrap();

    let text = log(build(&bench, &repository)).await;
    assert_eq!(story(&text), ["broken and not used", "made", "saved"], "{text}");
    assert_eq!(story(&log(build(&bench, &repository)).await), ["restored", "found"]);
}

#[tokio::test]
async fn an_archive_that_is_cut_or_missing_is_told_and_made_anew() {
    let repository = repository();
    for (cut, why) in [(true, " bytes instead of "), (false, "its archive is missing")] {
        let bench = Bench::new().await;
        log(build(&bench, &repository)).await;
        let [archive] = &archives(&bench).await[..] else { panic!("one archive") };
        let bytes = bench.cached.get(archive).await.unwrap().bytes().await.unwrap();
        bench.cached.delete(archive).await.unwrap();
        if cut {
            bench.cached.put(archive, bytes.slice(..bytes.len() - 5).into()).await.unwrap();
        }
        let text = log(build(&bench, &repository)).await;
        assert_eq!(story(&text), ["broken and not used", "made", "saved"], "{text}");
        assert!(text.contains(why), "{why}: {text}");
        assert_eq!(story(&log(build(&bench, &repository)).await), ["restored", "found"]);
    }
}

#[tokio::test]
async fn a_broken_entry_is_told_also_where_an_older_one_takes_its_place() {
    let (bench, repository) = (Bench::new().await, repository());
    log(build(&bench, &repository)).await;
    let before = archives(&bench).await;
    repository.write("lock", "2");
    repository.commit("two");
    let change = |attempt: Attempt| attempt.env("CHANGE", "1");
    log(change(build(&bench, &repository))).await;
    let newer: Vec<_> = archives(&bench).await.into_iter().filter(|archive| !before.contains(archive)).collect();
    let [newer] = &newer[..] else { panic!("one more archive") };
    bench.cached.delete(newer).await.unwrap();
    let text = log(build(&bench, &repository)).await;
    assert_eq!(story(&text), ["broken and not used", "restored from an older entry", "found", "saved"], "{text}");
}

/// Makes `archive` the entry that the attempt finds, as a hostile build of the same scope could that had the token.
async fn plant(attempt: &Attempt, archive: Vec<u8>) {
    let (client, access) = (reqwest::Client::new(), &attempt.job.gateway);
    let digest = Digest::of(&archive);
    let bytes = archive.len() as u64;
    let put =
        |path: String| client.put(format!("{}/v1/caches/{path}", access.url)).bearer_auth(access.token.expose_secret());
    let sent = put(format!("archives/{digest}")).body(Bytes::from(archive)).send().await.unwrap();
    assert!(sent.status().is_success(), "{sent:?}");
    let spec = &attempt.job.caches[0];
    let entry = SaveCacheRequest { name: spec.name.clone(), key: key(spec), archive: digest, bytes };
    let sent = put("entry".to_owned()).json(&entry).send().await.unwrap();
    assert!(sent.status().is_success(), "{sent:?}");
}

fn key(spec: &CacheSpec) -> CacheKey {
    CacheKey::new(spec, None, std::env::consts::ARCH, &[Some(Digest::of("1"))])
}

fn header(attempt: &Attempt) -> Header {
    let (build, spec) = (&attempt.job.attempt.build, &attempt.job.caches[0]);
    Header {
        format: 1,
        account: build.account.clone(),
        project: build.project.clone(),
        name: spec.name.clone(),
        key: key(spec),
        image: None,
        architecture: std::env::consts::ARCH.to_owned(),
        folders: spec.paths.clone(),
    }
}

/// An archive of the folder, a link in it if there is a text for one, and a file.
fn archive(header: &Header, path: &str, link: &str, bytes: usize) -> Vec<u8> {
    let mut builder = tar::Builder::new(zstd::Encoder::new(Vec::new(), 3).unwrap());
    let mut append = |path: &str, kind, mode, link: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_link_name_literal(link).unwrap();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    };
    append("netbuild-cache.json", tar::EntryType::Regular, 0o644, "", &serde_json::to_vec(header).unwrap());
    append("000", tar::EntryType::Directory, 0o755, "", b"");
    if !link.is_empty() {
        append("000/link", tar::EntryType::Symlink, 0o777, link, b"");
    }
    append(path, tar::EntryType::Regular, 0o644, "", &vec![0; bytes]);
    builder.into_inner().unwrap().finish().unwrap()
}

#[tokio::test]
async fn archives_that_escape_expand_or_are_foreign_are_made_anew() {
    let repository = repository();
    let right = |attempt: &Attempt| header(attempt);
    let stranger = |attempt: &Attempt| {
        let mut header = header(attempt);
        header.account = netbuild_core::model::AccountId::new("other").unwrap();
        header
    };
    let older = |attempt: &Attempt| {
        let spec = &attempt.job.caches[0];
        Header { key: CacheKey::new(spec, None, std::env::consts::ARCH, &[None]), ..header(attempt) }
    };
    type Named<'a> = &'a dyn Fn(&Attempt) -> Header;
    let table: [(&str, Named<'_>, &str, &str, usize); 8] = [
        ("out of the folder", &right, "000/../../../escaped", "", 1),
        ("to the root", &right, "/escaped-from-a-cache", "", 1),
        ("through a link", &right, "000/link/escaped", "../..", 1),
        ("through a link to the root", &right, "000/link/escaped-from-a-cache", "/", 1),
        ("by a link of no runner", &right, "000/x", "//etc", 1),
        ("a hundred times its size", &right, "000/dep", "", 11 << 20),
        ("another customer's", &stranger, "000/dep", "", 1),
        ("another key's", &older, "000/dep", "", 1),
    ];
    for (what, header, path, link, bytes) in table {
        let bench = Bench::new().await;
        let attempt = build(&bench, &repository);
        let archive = archive(&header(&attempt), path, link, bytes);
        assert!(archive.len() < 100_000, "{what}");
        plant(&attempt, archive).await;
        let report = attempt.run().await;
        assert!(report.outcome.failure().is_none(), "{what}: {report:?}");
        assert_eq!(story(&attempt.log()), ["broken and not used", "made", "saved"], "{what}: {}", attempt.log());
        assert!(!attempt.path("escaped").exists() && !attempt.path("caches").exists(), "{what}");
        assert_eq!(story(&log(build(&bench, &repository)).await), ["restored", "found"], "{what}");
    }
    assert!(!std::path::Path::new("/escaped-from-a-cache").exists());
}

#[tokio::test]
async fn a_whole_archive_in_the_place_of_another_is_noticed() {
    let (bench, repository) = (Bench::new().await, repository());
    let attempt = build(&bench, &repository);
    let saved = archive(&header(&attempt), "000/dep", "", 1);
    // The gateway itself notices another length.
    let mut others = ('a'..='z').map(|letter| archive(&header(&attempt), &format!("000/{letter}ep"), "", 1));
    let other = others.find(|other| *other != saved && other.len() == saved.len()).unwrap();
    plant(&attempt, saved).await;
    let [place] = &archives(&bench).await[..] else { panic!("one archive") };
    bench.cached.put(place, other.into()).await.unwrap();
    assert_eq!(story(&log(attempt).await), ["broken and not used", "made", "saved"]);
}

#[tokio::test]
async fn the_same_archive_with_nothing_wrong_is_taken() {
    let (bench, repository) = (Bench::new().await, repository());
    let attempt = build(&bench, &repository);
    plant(&attempt, archive(&header(&attempt), "000/dep", "", 1)).await;
    assert_eq!(story(&log(attempt).await), ["restored", "found"]);
}

#[tokio::test]
async fn an_archive_can_be_looked_at() {
    let (bench, repository) = (Bench::new().await, repository());
    let attempt = build(&bench, &repository);
    let expected = header(&attempt);
    log(attempt).await;
    let [archive] = &archives(&bench).await[..] else { panic!("one archive") };
    let bytes = bench.cached.get(archive).await.unwrap().bytes().await.unwrap();
    let (header, contents) = inspect(&bytes[..], Bounds { files: 10, bytes: 1 << 20 }).unwrap();
    assert_eq!(header, expected);
    assert_eq!((contents.files, contents.bytes), (2, 100_000));
}
