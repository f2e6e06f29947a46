//! Work that blocks a thread, ended by the stop signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netbuild_core::model::{Cause, Failure};

use super::stop::{Halt, Stop};

/// How long interrupted work may take to notice. After it nobody waits for it: it ends with the process at the latest.
const NOTICE: Duration = Duration::from_secs(1);

/// Runs `work` on a thread of its own until it ends or the stop signal is given. Then the flag that it was given becomes
/// true, and what it returns does not count.
pub(super) async fn run<T: Send + 'static>(
    stop: &Stop,
    work: impl FnOnce(&AtomicBool) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Halt> {
    run_until(stop.asked(), work).await.map_err(Halt::Stopped)?.map_err(Halt::Failed)
}

/// Runs `work` as [`run`] does, until it ends or `over` does, whose answer is the error then.
pub(super) async fn run_until<T: Send + 'static, O>(
    over: impl Future<Output = O>,
    work: impl FnOnce(&AtomicBool) -> Result<T, Failure> + Send + 'static,
) -> Result<Result<T, Failure>, O> {
    let interrupt = Arc::new(AtomicBool::new(false));
    let mut thread = tokio::task::spawn_blocking({
        let interrupt = Arc::clone(&interrupt);
        move || work(&interrupt)
    });
    tokio::select! {
        biased;
        over = over => {
            interrupt.store(true, Ordering::Relaxed);
            let _late = tokio::time::timeout(NOTICE, &mut thread).await;
            Err(over)
        }
        done = &mut thread => Ok(done.unwrap_or_else(|error| {
            Err(Failure::new(Cause::RunnerBroken, format!("a part of the runner ended: {error}")))
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::stop::StopReason;

    #[tokio::test]
    async fn a_stop_interrupts_the_work() {
        let stop = Stop::new();
        stop.ask(StopReason::Ordered);
        let (sender, ended) = tokio::sync::oneshot::channel();
        let halt = run(&stop, move |interrupt| {
            while !interrupt.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let _ = sender.send(());
            Ok(())
        })
        .await;
        assert_eq!(halt, Err(Halt::Stopped(StopReason::Ordered)));
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_the_runners_fault() {
        let Err(Halt::Failed(failure)) = run::<()>(&Stop::new(), |_| panic!("planted")).await else { panic!() };
        assert_eq!(failure.cause, Cause::RunnerBroken);
    }
}
