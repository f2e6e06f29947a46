//! Commits that Git itself never makes, and what the runner does not support: refused by name, nothing written elsewhere.

use std::os::unix::ffi::OsStrExt;

use gix::ObjectId;
use gix::objs::Kind;
use netbuild_core::model::{Cause, Outcome};

use super::bench::{Bench, cause, evidence};
use super::git_server::GitServer;
use super::made::{FILE, LINK, TREE, blob, loose_file, nested, object, stand_on, tree};
use super::repository::Repository;

/// A commit is refused, wherever it comes from.
async fn is_refused(bench: &Bench, repository: &Repository, what: &str) {
    let server = GitServer::new(repository).await;
    for url in [repository.url(), server.url("site.git")] {
        is_refused_from(bench, &url, what, "").await;
    }
}

/// The source at a URL is refused, and the evidence says why.
async fn is_refused_from(bench: &Bench, url: &str, what: &str, why: &str) {
    let attempt = bench.attempt(url, "touch ran");
    let report = attempt.run().await;
    println!("{what}: {}", evidence(&report));
    assert_eq!(cause(&report), Cause::SourceRefused, "{what}: {}", evidence(&report));
    assert!(evidence(&report).contains(why), "{what}: {}", evidence(&report));
    assert!(!attempt.work("ran").exists());
    assert!(!attempt.work(".git/hooks/post-checkout").exists(), "{what}");
    assert!(!attempt.path("escaped").exists(), "{what}");
}

#[tokio::test]
async fn paths_that_lead_elsewhere_are_refused() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let hook = blob(&repository, b"#!/bin/sh\n");
    let hooks = tree(&repository, &[(FILE, b"post-checkout", hook)]);
    let inner = tree(&repository, &[(TREE, b"hooks", hooks)]);
    let escape = tree(&repository, &[(FILE, b"escaped", hook)]);
    let names: [(&[u8], ObjectId); 8] = [
        (b".git", inner),
        (b".GIT", inner),
        (b".git.", inner),
        (b"git~1", inner),
        (".g\u{200c}it".as_bytes(), inner),
        (b"..", escape),
        (b".", escape),
        (b"../escaped", escape),
    ];
    for (name, below) in names {
        stand_on(&repository, tree(&repository, &[(TREE, name, below)]));
        is_refused(&bench, &repository, &String::from_utf8_lossy(name)).await;
    }
    stand_on(&repository, tree(&repository, &[(FILE, b"../escaped", hook)]));
    is_refused(&bench, &repository, "a file").await;
}

#[tokio::test]
async fn nothing_is_written_through_a_link() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let file = blob(&repository, b"evil");
    let to = blob(&repository, b"..");
    let below = tree(&repository, &[(FILE, b"escaped", file)]);
    for order in [[(LINK, &b"a"[..], to), (TREE, b"a", below)], [(TREE, b"a", below), (LINK, b"a", to)]] {
        stand_on(&repository, tree(&repository, &order));
        is_refused(&bench, &repository, "a link and a folder of one name").await;
    }
}

#[tokio::test]
async fn names_that_are_not_utf8_are_files_like_others() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let file = blob(&repository, b"text");
    stand_on(&repository, tree(&repository, &[("100644", b"\xff\xfe", file)]));
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

#[tokio::test]
async fn what_no_disk_can_hold_is_refused_by_name() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let file = blob(&repository, b"text");
    let of_link = |target: &[u8]| tree(&repository, &[(LINK, b"way", blob(&repository, target))]);
    let table = [
        (tree(&repository, &[(FILE, &[b'n'; 300], file)]), "a name of 300 bytes"),
        (nested(&repository, &[b'n'; 250], 20), "its path is longer"),
        (nested(&repository, b"n", 1200), "more than 1000 folders in each other"),
        (of_link(&[b't'; 5000]), "way: a link whose target is longer"),
        (of_link(b"a\0b"), "way: a link whose target has a zero byte"),
        (of_link(b""), "way: a link without a target"),
        (tree(&repository, &[("0", b"odd", file)]), "odd: its mode 0 is none that Git knows"),
        (tree(&repository, &[("777777", b"odd", file)]), "odd: its mode 177777 is none that Git knows"),
        (tree(&repository, &[(FILE, b"a", file), (FILE, b"a", file)]), "the name \"a\" is there twice"),
    ];
    for (tree, why) in table {
        stand_on(&repository, tree);
        let server = GitServer::new(&repository).await;
        for url in [repository.url(), server.url("site.git")] {
            is_refused_from(&bench, &url, why, why).await;
        }
    }
}

/// A server finds out by itself, and gives no such commit out.
#[tokio::test]
async fn objects_that_are_not_what_they_should_be_are_refused_by_name() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let file = blob(&repository, b"text");
    let folder = tree(&repository, &[(FILE, b"f", file)]);
    let nothing = ObjectId::from_hex(&[b'1'; 40]).unwrap();
    let text = |number: u32| (0..20_000).map(|at| (at * number).to_string()).collect::<String>();
    let [cut, garbled, empty, tail] = [7, 11, 13, 17].map(|number| blob(&repository, text(number).as_bytes()));
    let damage = |id: ObjectId, change: &dyn Fn(&mut Vec<u8>)| {
        let path = loose_file(&repository, id);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    };
    damage(cut, &|bytes| bytes.truncate(bytes.len() / 2));
    damage(garbled, &|bytes| bytes[0] = 0);
    damage(empty, &Vec::clear);
    damage(tail, &|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..].fill(0xff);
    });
    let broken_list = object(&repository, Kind::Tree, b"100644 no-end");
    let table = [
        (tree(&repository, &[(FILE, b"f", nothing)]), "f: the repository lacks it"),
        (tree(&repository, &[(TREE, b"d", nothing)]), "d: the repository lacks it"),
        (nothing, "the commit's tree: the repository lacks it"),
        (file, "the commit's tree: the object"),
        (tree(&repository, &[(FILE, b"f", folder)]), "is a tree, where a blob must be"),
        (tree(&repository, &[(TREE, b"d", file)]), "is a blob, where a tree must be"),
        (tree(&repository, &[(TREE, b"d", broken_list)]), "d: it cannot be read"),
        (tree(&repository, &[(FILE, b"cut", cut)]), "cut"),
        (tree(&repository, &[(FILE, b"garbled", garbled)]), "garbled: it cannot be read"),
        (tree(&repository, &[(FILE, b"empty", empty)]), "empty: it cannot be read"),
        (tree(&repository, &[(FILE, b"tail", tail)]), "tail"),
    ];
    for (tree, why) in table {
        stand_on(&repository, tree);
        is_refused_from(&bench, &repository.url(), why, why).await;
    }
}
