//! The conformance suite.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, SystemClock};
use netbuild_core::testkit::conformance::Subject;
use netbuild_core::testkit::conformance::executor::{self, ExecutorUnderTest, TestCommand};
use netbuild_vm::process::{ProcessExecutor, ProcessOptions};

use crate::bench::{Bench, kill};

#[tokio::test]
async fn the_process_executor_keeps_the_contract() {
    let report = executor::run(async || Processes::new().await).await;
    report.assert_all_passed();
    assert!(report.skipped.is_empty(), "{report}");
}

struct Processes {
    bench: Arc<Bench>,
    executor: Arc<ProcessExecutor>,
}

impl Processes {
    async fn new() -> Self {
        let bench = Arc::new(Bench::new());
        Processes { executor: open(&bench).await, bench }
    }
}

async fn open(bench: &Bench) -> Arc<ProcessExecutor> {
    Arc::new(bench.executor_with(ProcessOptions { slots: 4, ..bench.options() }).await)
}

#[async_trait]
impl Subject<ExecutorUnderTest> for Processes {
    fn store(&self) -> Arc<ExecutorUnderTest> {
        let bench = Arc::clone(&self.bench);
        Arc::new(ExecutorUnderTest {
            executor: self.executor.clone(),
            request: Arc::new(executor::request),
            destroy: Some(Arc::new(move |attempt| {
                let request = executor::request(&attempt, TestCommand::Succeed);
                kill("-KILL", &bench.identity(&request).pid.to_string());
                Box::pin(async {})
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
        self.executor = open(&self.bench).await;
        true
    }

    fn unit(&self) -> Duration {
        Duration::from_millis(300)
    }
}
