//! The conformance suite, on one host and on a fleet of three.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::query_parameters::KillContainerOptions;
use netbuild_core::model::{Job, Timestamp};
use netbuild_core::port::{Clock, StartRequest, SystemClock};
use netbuild_core::testkit::conformance::Subject;
use netbuild_core::testkit::conformance::executor::{self, ExecutorUnderTest, TestCommand};
use netbuild_vm::docker::DockerExecutor;

use super::bench::{Bench, IMAGE};

#[tokio::test]
async fn the_docker_executor_keeps_the_contract_on_one_host() {
    let bench = Arc::new(Bench::new(1, 4).await);
    keeps_the_contract(&bench).await;
}

#[tokio::test]
async fn the_docker_executor_keeps_the_contract_on_a_fleet_of_three() {
    let bench = Arc::new(Bench::new(3, 2).await);
    keeps_the_contract(&bench).await;
}

async fn keeps_the_contract(bench: &Arc<Bench>) {
    let report = executor::run(async || Containers::new(bench).await).await;
    report.assert_all_passed();
    assert!(report.skipped.is_empty(), "{report}");
    assert_eq!(bench.left().await, Vec::<String>::new());
}

struct Containers {
    bench: Arc<Bench>,
    executor: Arc<DockerExecutor>,
}

impl Containers {
    async fn new(bench: &Arc<Bench>) -> Self {
        Containers { executor: bench.open().await, bench: Arc::clone(bench) }
    }
}

pub(crate) fn request(attempt: &netbuild_core::model::AttemptId, command: TestCommand) -> StartRequest {
    let mut request = executor::request(attempt, command);
    let mut build = (*request.build).clone();
    build.spec.image = Some(IMAGE.to_owned());
    build.spec.resources = Default::default();
    request.build = Arc::new(build);
    request.job = Job { image: None, ..request.job };
    request
}

#[async_trait]
impl Subject<ExecutorUnderTest> for Containers {
    fn store(&self) -> Arc<ExecutorUnderTest> {
        let bench = Arc::clone(&self.bench);
        Arc::new(ExecutorUnderTest {
            executor: self.executor.clone(),
            request: Arc::new(request),
            destroy: Some(Arc::new(move |attempt| {
                let bench = Arc::clone(&bench);
                Box::pin(async move {
                    let name = request(&attempt, TestCommand::Succeed).name;
                    for host in 0..bench.daemons.len() {
                        // It is on one of them.
                        let _absent =
                            bench.client(host).kill_container(name.as_str(), None::<KillContainerOptions>).await;
                    }
                })
            })),
        })
    }

    fn limit(&self) -> Option<u64> {
        None
    }

    fn now(&self) -> Timestamp {
        SystemClock::new().now()
    }

    async fn pass(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn reopen(&mut self) -> bool {
        self.executor.shutdown().await;
        self.executor = self.bench.open().await;
        true
    }

    fn unit(&self) -> Duration {
        Duration::from_secs(1)
    }
}
