//! Commits that Git itself never makes, and what the runner does not support: refused by name, nothing written elsewhere.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use netbuild_core::model::{Cause, Outcome};

use super::bench::{Bench, cause, evidence};
use super::git_server::GitServer;
use super::repository::{Repository, git};

const FILE: &str = "100755";
const LINK: &str = "120000";
const TREE: &str = "40000";

/// Writes an object as it is, without Git's checks.
fn object(repository: &Repository, kind: &str, content: &[u8]) -> String {
    let mut child = git()
        .args(["hash-object", "-w", "--literally", "--stdin", "-t", kind])
        .current_dir(repository.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(content).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn tree(repository: &Repository, entries: &[(&str, &[u8], &str)]) -> String {
    let mut content = Vec::new();
    for (mode, name, id) in entries {
        content.extend_from_slice(format!("{mode} ").as_bytes());
        content.extend_from_slice(name);
        content.push(0);
        content.extend((0..20).map(|at| u8::from_str_radix(&id[at * 2..at * 2 + 2], 16).unwrap()));
    }
    object(repository, "tree", &content)
}

/// Lets branch `main` stand on a commit of the tree.
fn stand_on(repository: &Repository, tree: &str) {
    let commit = repository.git(&["commit-tree", "-m", "made", tree]);
    repository.git(&["update-ref", "refs/heads/main", &commit]);
}

async fn is_refused(bench: &Bench, repository: &Repository, what: &str) {
    let server = GitServer::new(repository).await;
    for url in [repository.url(), server.url("site.git")] {
        let attempt = bench.attempt(&url, "touch ran");
        let report = attempt.run().await;
        println!("{what}: {}", evidence(&report));
        assert_eq!(cause(&report), Cause::SourceRefused, "{what}: {}", evidence(&report));
        assert!(!attempt.work("ran").exists());
        assert!(!attempt.work(".git/hooks/post-checkout").exists(), "{what}");
        assert!(!attempt.path("escaped").exists(), "{what}");
    }
}

#[tokio::test]
async fn paths_that_lead_elsewhere_are_refused() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let hook = object(&repository, "blob", b"#!/bin/sh\n");
    let hooks = tree(&repository, &[(FILE, b"post-checkout", &hook)]);
    let inner = tree(&repository, &[(TREE, b"hooks", &hooks)]);
    let escape = tree(&repository, &[(FILE, b"escaped", &hook)]);
    let names: [(&[u8], &str); 8] = [
        (b".git", &inner),
        (b".GIT", &inner),
        (b".git.", &inner),
        (b"git~1", &inner),
        (".g\u{200c}it".as_bytes(), &inner),
        (b"..", &escape),
        (b".", &escape),
        (b"../escaped", &escape),
    ];
    for (name, below) in names {
        stand_on(&repository, &tree(&repository, &[(TREE, name, below)]));
        is_refused(&bench, &repository, &String::from_utf8_lossy(name)).await;
    }
    stand_on(&repository, &tree(&repository, &[(FILE, b"../escaped", &hook)]));
    is_refused(&bench, &repository, "a file").await;
}

#[tokio::test]
async fn nothing_is_written_through_a_link() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let file = object(&repository, "blob", b"evil");
    let to = object(&repository, "blob", b"..");
    let below = tree(&repository, &[(FILE, b"escaped", &file)]);
    for order in [[(LINK, &b"a"[..], to.as_str()), (TREE, b"a", &below)], [(TREE, b"a", &below), (LINK, b"a", &to)]] {
        stand_on(&repository, &tree(&repository, &order));
        is_refused(&bench, &repository, "a link and a folder of one name").await;
    }
}

#[tokio::test]
async fn names_that_are_not_utf8_are_files_like_others() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let file = object(&repository, "blob", b"text");
    stand_on(&repository, &tree(&repository, &[("100644", b"\xff\xfe", &file)]));
    let attempt = bench.attempt(&repository.url(), "true");
    assert_eq!(attempt.run().await.outcome, Outcome::Succeeded { deploy: None });
    assert!(attempt.work("").join(std::ffi::OsStr::from_bytes(b"\xff\xfe")).exists());
}

#[tokio::test]
async fn lfs_is_refused_by_name() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    repository.write("media/.gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    repository.commit("lfs");
    is_refused(&bench, &repository, "lfs").await;
    let report = bench.attempt(&repository.url(), "true").run().await;
    assert!(evidence(&report).contains("media/.gitattributes") && evidence(&report).contains("LFS"));
}
