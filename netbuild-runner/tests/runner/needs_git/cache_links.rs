//! Links in caches: what version managers and virtual environments make, found again by an attempt with other paths.

use std::fs;
use std::path::PathBuf;

use netbuild_core::model::Cause;

use super::bench::{Attempt, Bench, cause, evidence};
use super::cache::{log, story};
use super::repository::Repository;

/// Two versions of a tool side by side, one of which is current.
const TOOL: &str = r#"set -e
    if test -e ~/.tool; then
        echo found: $(cat ~/.tool/current/name) $(cat ~/.tool/source/page) $(cat shims/tool/name)
        test "$(cd ~/.tool/current && pwd -P)" = "$(cd ~/.tool/v2 && pwd -P)"
    else
        mkdir -p ~/.tool/v1 ~/.tool/v2 shims
        echo one > ~/.tool/v1/name; echo two > ~/.tool/v2/name; echo page > page
        ln -s "$HOME/.tool/v2" "$HOME/.tool/current"
        ln -s "$PWD" "$HOME/.tool/source"
        ln -s ../../work/page "$HOME/.tool/page"
        ln -s "$HOME/.tool/v1" shims/tool
        ln -s /usr/bin/env shims/env
        echo made
    fi"#;

fn link(attempt: &Attempt, path: &str) -> PathBuf {
    fs::read_link(attempt.path(path)).unwrap()
}

#[tokio::test]
async fn a_version_managers_links_lead_into_the_attempt_that_restores_them() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    repository.write("page", "page");
    repository.commit("page");
    let build = || bench.attempt(&repository.url(), TOOL).cache(&["~/.tool", "shims"], "page");
    let (first, second) = (build(), build());
    assert!(first.run().await.outcome.failure().is_none(), "{}", first.log());
    assert_eq!(story(&first.log()), ["nothing is kept yet", "made", "saved"], "{}", first.log());
    assert!(!first.log().contains("without"), "nothing is left out: {}", first.log());
    let outcome = second.run().await.outcome;
    assert!(outcome.failure().is_none(), "{outcome:?}: {}", second.log());
    assert_eq!(story(&second.log()), ["restored", "found"], "{}", second.log());
    assert!(second.log().contains("found: two page one\n"), "{}", second.log());

    assert_ne!(first.path("home"), second.path("home"), "the attempts have other paths");
    assert_eq!(link(&second, "home/.tool/current"), second.path("home/.tool/v2"));
    assert_eq!(link(&second, "home/.tool/source"), second.path("work"));
    assert_eq!(link(&second, "home/.tool/page").to_str(), Some("../../work/page"));
    assert_eq!(link(&second, "work/shims/tool"), second.path("home/.tool/v1"));
    assert_eq!(link(&second, "work/shims/env").to_str(), Some("/usr/bin/env"));
}

#[tokio::test]
async fn no_restored_link_leads_the_runner_anywhere() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "canary-behind-a-link").unwrap();
    let (bench, repository) = (Bench::new().await, Repository::new());
    let out = outside.path().display();
    let plant = format!("test -e out || {{ mkdir out; echo 1 > out/index.html; ln -s {out} out/l; echo made; }}");
    let build = || bench.attempt(&repository.url(), &plant).cache(&["out"], "index.md");
    log(build()).await;

    // Another lock file: what was restored is saved once more, and published.
    repository.write("index.md", "2");
    repository.commit("two");
    let text = log(build()).await;
    assert_eq!(story(&text), ["restored from an older entry", "saved"], "{text}");
    assert!(text.contains("saved: 3 files, 2 bytes"), "the link is one, and nothing behind it: {text}");
    let published = build().publish("out");
    let report = published.run().await;
    assert_eq!(cause(&report), Cause::PublishInvalid, "{report:?}");
    assert!(evidence(&report).contains("l: "), "{}", evidence(&report));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "nothing was written through it");
}

/// `scripts/test` skips this module by its name where there is no `python3` that can make virtual environments.
mod needs_python {
    use super::*;

    #[tokio::test]
    async fn a_virtual_environment_works_in_the_attempt_that_restores_it() {
        let (bench, repository) = (Bench::new().await, Repository::new());
        let command = "set -e
            if test -e .venv; then echo found: it; else python3 -m venv --without-pip .venv; echo made; fi
            echo prefix: $(.venv/bin/python3 -c 'import sys; print(sys.prefix, sys.prefix != sys.base_prefix)')";
        let build = || {
            let attempt = bench.attempt(&repository.url(), command).cache(&[".venv"], "index.md");
            attempt.env("PATH", "/usr/local/bin:/usr/bin:/bin")
        };
        assert_eq!(story(&log(build()).await), ["nothing is kept yet", "made", "saved"]);
        let second = build();
        let outcome = second.run().await.outcome;
        assert!(outcome.failure().is_none(), "{outcome:?}: {}", second.log());
        assert_eq!(story(&second.log()), ["restored", "found"]);
        let prefix = format!("prefix: {} True\n", second.work(".venv").canonicalize().unwrap().display());
        assert!(second.log().contains(&prefix), "{prefix}: {}", second.log());
    }
}
