//! How containers end, and what that is called.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::{Cause, Outcome, Owner, Report, RetryAt};
use netbuild_core::port::{Executor, ExecutorError, StartError, StartRequest, Started};
use netbuild_core::testkit::conformance::executor::TestCommand;
use netbuild_servers::DockerOptions as DaemonOptions;
use netbuild_vm::docker::DockerExecutor;

use super::bench::{Bench, attempt, ended, running};
use super::suite::request;

/// A request for a command.
fn command(n: u64, text: &str) -> StartRequest {
    let mut request = request(&attempt(n, 1), TestCommand::Succeed);
    text.clone_into(&mut request.job.command);
    request
}

/// The same in another image.
fn in_image(mut request: StartRequest, image: &str) -> StartRequest {
    let mut build = (*request.build).clone();
    build.spec.image = Some(image.to_owned());
    request.build = Arc::new(build);
    request
}

async fn end(executor: &DockerExecutor, request: &StartRequest) -> Report {
    assert!(matches!(executor.start(request).await.unwrap(), Started::Created { .. }));
    let report = ended(executor, &request.job.attempt).await;
    executor.remove(&request.job.attempt).await.unwrap();
    report
}

fn cause(report: &Report) -> Cause {
    report.outcome.failure().unwrap_or_else(|| panic!("{report:?}")).cause.clone()
}

#[tokio::test]
async fn ends_of_the_command_have_the_customer_as_their_owner() {
    let bench = Bench::new(1, 8).await;
    let executor = bench.open().await;
    let table = [
        ("exit 3", Cause::CommandFailed { code: 3 }),
        // The build's own doing, and no limit of ours.
        ("kill -9 $$", Cause::CommandFailed { code: 137 }),
        ("kill -11 $$", Cause::CommandFailed { code: 139 }),
        ("tail /dev/zero", Cause::OutOfMemory),
        // A part of it was killed, and the command went on and failed with a code of its own.
        ("tail /dev/zero; exit 4", Cause::OutOfMemory),
    ];
    for (n, (text, expected)) in (1..).zip(table) {
        let report = end(&executor, &command(n, text)).await;
        assert_eq!(cause(&report), expected, "{text}: {report:?}");
        assert_eq!(cause(&report).owner(), Owner::Customer);
    }
    assert_eq!(bench.left().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_ignores_term_is_killed_at_the_end_of_its_grace() {
    let bench = Bench::new(1, 8).await;
    let executor = bench.open().await;
    let deaf = request(&attempt(1, 1), TestCommand::IgnoreTerm);
    executor.start(&deaf).await.unwrap();
    running(&executor, &attempt(1, 1)).await;
    let begun = tokio::time::Instant::now();
    executor.cancel(&attempt(1, 1), Duration::from_secs(2)).await.unwrap();
    assert_eq!(ended(&executor, &attempt(1, 1)).await.outcome, Outcome::Cancelled);
    assert!((Duration::from_secs(2)..Duration::from_secs(15)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_image_that_is_nowhere_ends_the_attempt_without_a_container() {
    let bench = Bench::new(1, 8).await;
    let executor = bench.open().await;
    let table = [
        // Nobody listens there.
        ("127.0.0.1:9/nothing:1", Cause::ImagePullFailed, RetryAt::OtherHost),
        ("Not An Image", Cause::ImageInvalid, RetryAt::Nowhere),
    ];
    for (n, (image, expected, retry_at)) in (1..).zip(table) {
        let report = end(&executor, &in_image(command(n, "exit 0"), image)).await;
        assert_eq!((cause(&report), cause(&report).retry_at()), (expected, retry_at), "{report:?}");
    }
    assert_eq!(bench.left().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_attempt_that_waits_for_its_image_can_be_cancelled() {
    let bench = Bench::new(1, 8).await;
    let executor = bench.open().await;
    // A registry that takes the connection and never answers.
    let silent = tokio::net::TcpListener::bind((bench.daemons[0].gateway_address().unwrap(), 0)).await.unwrap();
    let request = in_image(command(1, "exit 0"), &format!("{}/slow:1", silent.local_addr().unwrap()));
    executor.start(&request).await.unwrap();
    assert!(matches!(executor.remove(&attempt(1, 1)).await, Err(ExecutorError::StillRuns)));
    let again = executor.start(&request).await.unwrap();
    assert!(matches!(again, Started::Adopted { .. }), "{again:?}");
    executor.cancel(&attempt(1, 1), Duration::from_secs(60)).await.unwrap();
    assert_eq!(ended(&executor, &attempt(1, 1)).await.outcome, Outcome::Cancelled);
    executor.remove(&attempt(1, 1)).await.unwrap();
    assert!(executor.list().await.unwrap().attempts.is_empty());
}

#[tokio::test]
async fn a_full_disk_of_images_is_the_hosts_fault_and_another_host_is_asked() {
    let disk = DaemonOptions { image_disk_bytes: Some(64 << 20), ..DaemonOptions::default() };
    let bench = Bench::with(1, 8, disk).await;
    let executor = bench.open().await;
    // The first brings the runner, and shows that all is well.
    assert!(matches!(end(&executor, &command(1, "exit 0")).await.outcome, Outcome::Succeeded { .. }));
    bench.fill(0);
    let refused = executor.start(&command(2, "exit 0")).await;
    let Err(StartError::Refused(failure)) = &refused else { panic!("{refused:?}") };
    assert_eq!((failure.cause.clone(), failure.cause.retry_at()), (Cause::HostDisk, RetryAt::OtherHost), "{failure}");
    assert_eq!(executor.list().await.unwrap().attempts, []);
}
