//! Commands under users of their own. `scripts/test` skips this module by its name where there is no root.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use netbuild_core::port::{Executor, StartError, Started, SystemClock};
use netbuild_vm::process::{OpenError, ProcessExecutor, ProcessOptions};

use crate::bench::{Bench, DEEP_AND_CLOSED, cause, deleted, ended, id, kill, lives};

/// User ids that no other test has, of this process or another one.
fn users(count: u32) -> Range<u32> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = 1_200_000_000 + std::process::id() % 1_000_000 * 100 + NEXT.fetch_add(count, Ordering::Relaxed);
    first..first + count
}

/// A bench whose root folder other users can reach, and options with users.
fn bench(count: u32) -> (Bench, ProcessOptions) {
    let bench = Bench::new();
    let options = ProcessOptions { users: Some(users(count)), ..bench.options() };
    (bench, options)
}

/// A process of a user that nothing else ties to an attempt.
fn stray(user: u32) -> std::process::Child {
    let mut command = std::process::Command::new("sleep");
    command.arg("600").env_clear().stdout(Stdio::null()).stderr(Stdio::null()).uid(user).process_group(0);
    command.spawn().unwrap()
}

#[tokio::test]
async fn each_attempt_has_a_user_until_it_is_removed() {
    let (bench, options) = bench(2);
    let range = options.users.clone().unwrap();
    // Two executors, as of two schedulers.
    let executors = [bench.executor_with(options.clone()).await, bench.executor_with(options.clone()).await];
    let requests =
        [0, 1].map(|_| bench.request("id -u > user; echo done >> user; until [ -e go ]; do sleep 0.05; done"));
    let mut seen = BTreeSet::new();
    for (executor, request) in executors.iter().zip(&requests) {
        executor.start(request).await.unwrap();
        bench.written(request, "user").await;
        let text = fs::read_to_string(bench.folder(request).join("work/user")).unwrap();
        seen.insert(text.lines().next().unwrap().parse::<u32>().unwrap());
        let metadata = bench.folder(request).metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (0, 0o710));
    }
    assert_eq!(seen, range.collect(), "one each, of the range");
    let third = bench.request("true");
    assert!(matches!(executors[0].start(&third).await, Err(StartError::Full)));
    // Another life of the scheduler knows who has which; an ended attempt keeps its user until it is removed.
    let executor = bench.executor_with(options).await;
    fs::write(bench.folder(&requests[0]).join("work/go"), "").unwrap();
    ended(&executor, &requests[0]).await;
    assert!(matches!(executor.start(&third).await, Err(StartError::Full)));
    executor.remove(id(&requests[0])).await.unwrap();
    let freed = async {
        loop {
            match executor.start(&third).await {
                Ok(started) => break started,
                // Its files are being deleted.
                Err(StartError::Full) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let started = tokio::time::timeout(std::time::Duration::from_secs(30), freed).await.unwrap();
    assert_eq!(started, Started::Created { host: None });
    assert_eq!(cause(&ended(&executor, &third).await), "succeeded");
    fs::write(bench.folder(&requests[1]).join("work/go"), "").unwrap();
    ended(&executor, &requests[1]).await;
}

#[tokio::test]
async fn a_users_turn_comes_again_only_after_all_others_had_theirs() {
    let (bench, options) = bench(4);
    let range = options.users.clone().unwrap();
    let mut seen = Vec::new();
    for _ in 0..6 {
        // Each in another life of the scheduler, and with all of the earlier ones gone.
        let executor = bench.executor_with(options.clone()).await;
        let request = bench.request("true");
        executor.start(&request).await.unwrap();
        seen.push(bench.folder(&request).metadata().unwrap().gid() - range.start);
        // A name that is taken by what is no attempt takes no turn.
        let foreign = bench.request("true");
        fs::create_dir_all(bench.folder(&foreign).join("foreign")).unwrap();
        assert!(matches!(executor.start(&foreign).await, Err(StartError::Unavailable(_))));
        ended(&executor, &request).await;
        executor.remove(id(&request)).await.unwrap();
        deleted(&bench).await;
        executor.shutdown().await;
    }
    assert_eq!(seen, [0, 1, 2, 3, 0, 1]);
}

#[tokio::test]
async fn what_a_command_left_is_deleted_however_deep_and_closed_and_frees_its_user() {
    let (bench, options) = bench(1);
    let executor = bench.executor_with(options).await;
    let deep = bench.request(DEEP_AND_CLOSED);
    executor.start(&deep).await.unwrap();
    assert_eq!(cause(&ended(&executor, &deep).await), "succeeded");
    executor.remove(id(&deep)).await.unwrap();
    deleted(&bench).await;
    let next = bench.request("true");
    assert_eq!(executor.start(&next).await.unwrap(), Started::Created { host: None });
    assert_eq!(cause(&ended(&executor, &next).await), "succeeded");
}

#[tokio::test]
async fn starts_at_once_from_several_executors_share_no_user() {
    let (bench, options) = bench(12);
    let executors = [bench.executor_with(options.clone()).await, bench.executor_with(options).await];
    let requests: Vec<_> = (0..12).map(|_| bench.request("true")).collect();
    let starts = requests.iter().enumerate().map(|(n, request)| executors[n % 2].start(request));
    for started in futures_util::future::join_all(starts).await {
        assert!(matches!(started, Ok(Started::Created { .. })), "{started:?}");
    }
    let groups: BTreeSet<u32> = requests.iter().map(|it| bench.folder(it).metadata().unwrap().gid()).collect();
    assert_eq!(groups.len(), 12);
    for request in &requests {
        ended(&executors[0], request).await;
    }
}

#[tokio::test]
async fn a_killed_runner_leaves_nobody_of_its_user() {
    let (bench, options) = bench(1);
    let user = options.users.clone().unwrap().start;
    let executor = bench.executor_with(options).await;
    let request = bench.request(
        "env -i $(command -v setsid) sh -c '(while :; do sleep 1; done) & echo $! > daemon.new; mv daemon.new daemon' &
        sleep 600",
    );
    executor.start(&request).await.unwrap();
    let daemon = bench.written(&request, "daemon").await;
    let mut stray = stray(user);
    kill("-KILL", &bench.identity(&request).pid.to_string());
    assert_eq!(cause(&ended(&executor, &request).await), "lost");
    assert!(!lives(&daemon));
    assert!(!lives(&stray.id().to_string()));
    stray.wait().unwrap();
}

#[tokio::test]
async fn what_an_earlier_life_of_a_user_left_is_killed_before_the_next() {
    let (bench, options) = bench(1);
    let mut stray = stray(options.users.clone().unwrap().start);
    let executor = bench.executor_with(options).await;
    assert!(lives(&stray.id().to_string()));
    let request = bench.request("true");
    executor.start(&request).await.unwrap();
    assert!(!lives(&stray.id().to_string()));
    stray.wait().unwrap();
    assert_eq!(cause(&ended(&executor, &request).await), "succeeded");
}

#[tokio::test]
async fn a_root_folder_that_users_cannot_reach_is_refused_by_name() {
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), Permissions::from_mode(0o700)).unwrap();
    let (bench, options) = bench(1);
    let options = ProcessOptions { root: closed.path().join("attempts"), ..options };
    let open = |options| ProcessExecutor::open(options, Arc::new(SystemClock::new()));
    let error = open(options.clone()).await.unwrap_err();
    let folder = fs::canonicalize(closed.path()).unwrap();
    assert!(matches!(&error, OpenError::Unreachable { folder: found, .. } if *found == folder), "{error}");
    assert!(error.to_string().contains("chmod o+x"), "{error}");
    fs::set_permissions(closed.path(), Permissions::from_mode(0o711)).unwrap();
    open(options).await.unwrap();
    let options = ProcessOptions { users: Some(0..1), ..bench.options() };
    assert!(matches!(open(options).await, Err(OpenError::Users(_))));
}
