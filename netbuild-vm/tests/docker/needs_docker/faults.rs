//! Daemons that hang, die and come back, and hosts that are gone.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::{AttemptId, HostName, Outcome};
use netbuild_core::port::{Executor, Listing, Phase, StartError, Started};
use netbuild_core::testkit::conformance::executor::TestCommand;
use netbuild_servers::DockerOptions as DaemonOptions;
use netbuild_vm::docker::{DockerExecutor, DockerOptions, HealthRules, HealthState};

use super::bench::{Bench, attempt, ended, phase, running, until};
use super::suite::request;

fn impatient(bench: &Bench) -> DockerOptions {
    DockerOptions {
        health: HealthRules {
            deadline: Duration::from_secs(3),
            calm: Duration::from_secs(4),
            ..HealthRules::default()
        },
        deadline: Duration::from_secs(3),
        list_again: Duration::from_secs(1),
        forget_after: Duration::from_secs(5),
        ..bench.options()
    }
}

async fn start(executor: &DockerExecutor, attempt: &AttemptId, command: TestCommand) -> Option<HostName> {
    match executor.start(&request(attempt, command)).await.unwrap() {
        Started::Created { host } => host,
        adopted @ Started::Adopted { .. } => panic!("{adopted:?}"),
    }
}

async fn complete(executor: &DockerExecutor) -> Listing {
    until("a complete list", async || Some(executor.list().await.unwrap()).filter(|listing| listing.complete)).await
}

fn host(bench: &Bench, name: &HostName) -> usize {
    (0..bench.daemons.len()).find(|n| name.as_str() == format!("host-{n}")).unwrap()
}

#[tokio::test]
async fn a_daemon_that_hangs_takes_no_builds_and_its_containers_are_found_again() {
    let bench = Bench::new(2, 8).await;
    let executor = bench.open_with(impatient(&bench)).await;
    let mut at = Vec::new();
    for n in 1..=2 {
        at.push(start(&executor, &attempt(n, 1), TestCommand::RunUntilCancelled).await.unwrap());
        running(&executor, &attempt(n, 1)).await;
    }
    assert_ne!(at[0], at[1], "one account's builds are spread");
    let hung = host(&bench, &at[0]);
    bench.daemons[hung].freeze();

    let listing =
        until("the hang is seen", async || Some(executor.list().await.unwrap()).filter(|listing| !listing.complete))
            .await;
    assert_eq!(phase(&listing, &attempt(1, 1)), Some(Phase::Unknown));
    assert!(matches!(phase(&listing, &attempt(2, 1)), Some(Phase::Running { .. })));
    // The others go on, and nobody waits for the one that hangs.
    for n in 3..=5 {
        let begun = tokio::time::Instant::now();
        assert_eq!(start(&executor, &attempt(n, 1), TestCommand::Succeed).await.as_ref(), Some(&at[1]));
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        assert!(matches!(ended(&executor, &attempt(n, 1)).await.outcome, Outcome::Succeeded { .. }));
    }
    let again = executor.start(&request(&attempt(1, 1), TestCommand::RunUntilCancelled)).await;
    assert!(matches!(again, Err(StartError::Unknown(_))), "the same attempt may run there: {again:?}");
    // Whoever starts the next one knows that the first has fenced itself.
    assert_eq!(start(&executor, &attempt(1, 2), TestCommand::RunUntilCancelled).await.as_ref(), Some(&at[1]));

    bench.daemons[hung].thaw();
    let listing = complete(&executor).await;
    assert!(
        matches!(phase(&listing, &attempt(1, 1)), Some(Phase::Running { .. })),
        "the late one is seen: {listing:?}"
    );
    // It is not trusted at once, and then it stays trusted.
    let health = async || executor.hosts()[hung].health;
    assert_eq!(health().await, HealthState::Quarantined);
    assert_eq!(start(&executor, &attempt(6, 1), TestCommand::Succeed).await.as_ref(), Some(&at[1]));
    until("trust", async || (health().await == HealthState::Healthy).then_some(())).await;
    assert_eq!(start(&executor, &attempt(7, 1), TestCommand::Succeed).await.as_ref(), Some(&at[0]), "the emptier");
    executor.cancel(&attempt(1, 1), Duration::from_secs(1)).await.unwrap();
    assert_eq!(ended(&executor, &attempt(1, 1)).await.outcome, Outcome::Cancelled);
    for (n, number) in [(1, 1), (1, 2), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1)] {
        executor.cancel(&attempt(n, number), Duration::ZERO).await.unwrap();
        ended(&executor, &attempt(n, number)).await;
        executor.remove(&attempt(n, number)).await.unwrap();
    }
    assert_eq!(bench.left().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_daemon_that_is_killed_ends_its_containers_when_it_is_back_and_that_is_no_cancel() {
    let mut bench = Bench::new(1, 8).await;
    let executor = bench.open_with(impatient(&bench)).await;
    start(&executor, &attempt(1, 1), TestCommand::RunUntilCancelled).await;
    running(&executor, &attempt(1, 1)).await;
    bench.daemons[0].kill();
    until("the death is seen", async || Some(executor.list().await.unwrap()).filter(|listing| !listing.complete)).await;
    bench.daemons[0].start_again().unwrap();
    let report = ended(&executor, &attempt(1, 1)).await;
    assert_eq!(report.outcome.label(), "daemon_restarted", "{report:?}");
    executor.remove(&attempt(1, 1)).await.unwrap();
    assert_eq!(bench.left().await, Vec::<String>::new());
}

#[tokio::test]
async fn where_the_daemon_lets_them_live_containers_outlive_its_death() {
    let live = DaemonOptions { live_restore: true, ..DaemonOptions::default() };
    let mut bench = Bench::with(1, 8, live).await;
    let executor = bench.open_with(impatient(&bench)).await;
    for n in 1..=2 {
        start(&executor, &attempt(n, 1), TestCommand::RunUntilCancelled).await;
        running(&executor, &attempt(n, 1)).await;
    }
    bench.daemons[0].kill();
    bench.daemons[0].start_again().unwrap();
    let listing = complete(&executor).await;
    for n in 1..=2 {
        assert!(matches!(phase(&listing, &attempt(n, 1)), Some(Phase::Running { .. })), "{listing:?}");
        executor.cancel(&attempt(n, 1), Duration::from_secs(5)).await.unwrap();
        assert_eq!(ended(&executor, &attempt(n, 1)).await.outcome, Outcome::Cancelled);
        executor.remove(&attempt(n, 1)).await.unwrap();
    }
    assert_eq!(bench.left().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_ran_on_a_host_that_is_removed_is_gone() {
    let mut bench = Bench::new(2, 8).await;
    let executor = bench.open_with(impatient(&bench)).await;
    let at = start(&executor, &attempt(1, 1), TestCommand::RunUntilCancelled).await.unwrap();
    let gone = host(&bench, &at);
    bench.daemons[gone].vanish();
    let listing =
        until("the loss is seen", async || Some(executor.list().await.unwrap()).filter(|listing| !listing.complete))
            .await;
    assert_eq!(phase(&listing, &attempt(1, 1)), Some(Phase::Unknown), "absent is not gone");
    bench.pool.remove(&at);
    let listing = complete(&executor).await;
    assert_eq!(phase(&listing, &attempt(1, 1)), None);
    start(&executor, &attempt(1, 2), TestCommand::Succeed).await;
    assert!(matches!(ended(&executor, &attempt(1, 2)).await.outcome, Outcome::Succeeded { .. }));
}

#[tokio::test]
async fn a_scheduler_that_comes_while_a_host_hangs_waits_for_a_bounded_time() {
    let bench = Bench::new(2, 8).await;
    let at = {
        let executor = bench.open_with(impatient(&bench)).await;
        start(&executor, &attempt(1, 1), TestCommand::RunUntilCancelled).await.unwrap()
    };
    let hung = host(&bench, &at);
    bench.daemons[hung].freeze();
    let executor: Arc<DockerExecutor> = bench.open_with(impatient(&bench)).await;
    let first = executor.start(&request(&attempt(1, 1), TestCommand::RunUntilCancelled)).await;
    assert!(matches!(first, Err(StartError::Unavailable(_))), "it may run on the host that hangs: {first:?}");
    until("starts go on", async || executor.start(&request(&attempt(2, 1), TestCommand::Succeed)).await.ok()).await;
    bench.daemons[hung].thaw();
    let listing = complete(&executor).await;
    assert!(matches!(phase(&listing, &attempt(1, 1)), Some(Phase::Running { .. })), "{listing:?}");
}

#[tokio::test]
async fn what_was_asked_of_a_host_that_hung_is_asked_again_once_it_is_back() {
    let bench = Bench::new(1, 8).await;
    let executor = bench.open_with(impatient(&bench)).await;
    // The runner is there.
    start(&executor, &attempt(1, 1), TestCommand::Succeed).await;
    bench.daemons[0].freeze();
    let unsure = request(&attempt(2, 1), TestCommand::Succeed);
    let first = executor.start(&unsure).await;
    assert!(matches!(first, Err(StartError::Unavailable(_) | StartError::Unknown(_))), "{first:?}");
    bench.daemons[0].thaw();
    complete(&executor).await;
    // Nobody is silent any more: what was asked for is there, or it is asked for again.
    until("it runs", async || executor.start(&unsure).await.ok()).await;
    assert!(matches!(ended(&executor, &attempt(2, 1)).await.outcome, Outcome::Succeeded { .. }));
}
