//! Sources that must never reach a fetch, and credentials that must never come out of their refusal.

use netbuild_core::model::{InvalidSource, RepositoryUrl, Revision};

const CANARY: &str = "canary-5f0c";

/// Everything that a refused URL leaves behind.
fn traces(url: &str) -> String {
    let error = RepositoryUrl::parse(url).expect_err(url);
    let json = serde_json::to_string(url).expect("a string is JSON");
    let wire = serde_json::from_str::<RepositoryUrl>(&json).expect_err(url);
    format!("{error} {error:?} {wire} {wire:?}")
}

#[test]
fn credentials_are_refused_and_not_repeated() {
    let urls = [
        format!("https://user:{CANARY}@git.example/a"),
        format!("https://{CANARY}@git.example/a"),
        format!("http://:{CANARY}@git.example/a"),
        format!("ssh://git:{CANARY}@git.example/a"),
        format!("https://git.example/a?token={CANARY}"),
        format!("https://git.example/a#{CANARY}"),
        format!("ftp://user:{CANARY}@git.example/a"),
        format!("user:{CANARY}@git.example:a"),
        format!("https://user:{CANARY} @git.example/a"),
    ];
    for url in urls {
        assert!(!traces(&url).contains(CANARY), "{url}");
    }
}

#[test]
fn only_four_transports_are_known() {
    let others = [
        "ext::sh -c id",
        "ext::id",
        "EXT::id",
        "fd::17",
        "git://git.example/a",
        "git+ssh://git.example/a",
        "ftp://git.example/a",
        "HTTPS://git.example/a",
        "https:git.example/a",
        "git@git.example:a",
        "/srv/a",
        "../a",
        "--upload-pack=id",
        "-https://git.example/a",
        "javascript://git.example/a",
    ];
    for url in others {
        let error = RepositoryUrl::parse(url).expect_err(url);
        assert!(matches!(error, InvalidSource::Transport | InvalidSource::Character), "{url}: {error:?}");
    }
}

#[test]
fn a_leading_dash_is_no_option() {
    for url in ["ssh://-oProxyCommand=id/a", "ssh://-l@git.example/a", "https://-git.example/a"] {
        assert!(RepositoryUrl::parse(url).is_err(), "{url}");
    }
    for revision in ["-", "-x", "--upload-pack=id", "--upload-pack=id\n", "+refs/heads/main:refs/heads/main"] {
        let refused = Revision::parse(revision);
        assert_eq!(refused, Err(InvalidSource::Revision), "{revision}");
    }
}
