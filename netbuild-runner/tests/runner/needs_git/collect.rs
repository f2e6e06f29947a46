//! The publish folder and its upload.

use netbuild_core::model::{Cause, Manifest, Owner, RunPhase};

use super::bench::{Bench, cause, deploy, evidence};
use super::repository::Repository;

#[tokio::test]
async fn a_second_deploy_uploads_only_what_changed() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let site = "mkdir -p out/a; echo same > out/a/same; echo same > out/twin; cat index.md > out/index.html";
    let first = bench.attempt(&repository.url(), site).publish("out").run().await;
    let info = deploy(&first);
    assert_eq!((info.files, info.bytes, info.uploaded), (3, 13, 2), "the twins are one upload");
    assert_eq!(
        first.phases.iter().map(|time| time.phase).collect::<Vec<_>>(),
        [RunPhase::Fetch, RunPhase::Run, RunPhase::Collect, RunPhase::Upload]
    );

    repository.write("index.md", "changed");
    repository.commit("two");
    let second = deploy(&bench.attempt(&repository.url(), site).publish("out").run().await);
    assert_eq!((second.files, second.bytes, second.uploaded), (3, 17, 1));
    assert_ne!(second.manifest, info.manifest);

    let third = deploy(&bench.attempt(&repository.url(), site).publish("out").run().await);
    assert_eq!((third.uploaded, third.manifest), (0, second.manifest));
}

#[tokio::test]
async fn more_files_than_one_question_holds() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let command = "mkdir out; i=0; while test $i -lt 1100; do echo $i > out/$i; i=$((i+1)); done";
    let info = deploy(&bench.attempt(&repository.url(), command).publish("out").run().await);
    assert_eq!((info.files, info.uploaded), (1100, 1100));
    assert_ne!(info.manifest, Manifest::default().digest());
}

#[tokio::test]
async fn what_cannot_be_published_is_named() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let table = [
        ("true", Cause::PublishInvalid, "out does not exist"),
        ("mkdir -p out/empty", Cause::PublishInvalid, "out has no files"),
        ("echo x > out", Cause::PublishInvalid, "out is not a folder"),
        ("mkdir out; ln -s /etc/passwd out/link", Cause::PublishInvalid, "link: "),
        ("ln -s /etc out", Cause::PublishInvalid, "out is a link that leads out"),
        ("mkdir out; mkfifo out/pipe", Cause::PublishInvalid, "pipe: "),
        ("mkdir out; echo x > out/$(printf '\\377')", Cause::PublishInvalid, "UTF-8"),
        ("mkdir out; echo 1 > out/1; echo 2 > out/2; echo 3 > out/3", Cause::PublishTooLarge, "limit of 2 files"),
        ("mkdir out; echo 1 > out/a.txt; echo 2 > out/A.txt", Cause::PublishInvalid, "a.txt: differs from A.txt"),
        ("mkdir out; cp -R .git out/", Cause::PublishInvalid, ".git: a repository's own folder"),
        ("ln -s . out", Cause::PublishInvalid, ".git: a repository's own folder"),
        ("mkdir out; echo x > out/f; chmod 000 out/f", Cause::PublishInvalid, "f: its mode"),
        ("mkdir -p out/d; chmod 000 out/d", Cause::PublishInvalid, "d: its mode"),
        ("mkdir -p out/1/2/3", Cause::PublishTooLarge, "limit of 2 folders"),
        ("mkdir out; head -c 101 /dev/zero > out/big", Cause::PublishTooLarge, "limit of 100 bytes"),
    ];
    for (command, expected, text) in table {
        let attempt = bench.attempt(&repository.url(), command).publish("out");
        let report = attempt.rules(|rules| (rules.publish_files, rules.publish_bytes) = (2, 100)).run().await;
        assert_eq!(cause(&report), expected, "{command}");
        assert_eq!(expected.owner(), Owner::Customer);
        assert_eq!(report.phases.last().map(|time| time.phase), Some(RunPhase::Collect), "nothing is uploaded");
        assert!(evidence(&report).contains(text), "{command}: {}", evidence(&report));
    }
}

#[tokio::test]
async fn nothing_is_written_to_the_folder_while_it_is_collected() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let command = "mkdir out; (i=0; while :; do i=$((i+1)); echo $i > out/1; done) > /dev/null 2>&1 &
        while ! test -s out/1; do :; done";
    let attempt = bench.attempt(&repository.url(), command).publish("out");
    let report = attempt.run().await;
    deploy(&report);
    let collect = report.phases.iter().find(|time| time.phase == RunPhase::Collect).unwrap();
    let written = std::fs::metadata(attempt.work("out/1")).unwrap().modified().unwrap();
    let written = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(written <= u128::from(collect.began_at.as_millis()), "{written} in {:?}", report.phases);
}
