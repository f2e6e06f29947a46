//! Asks in the background what a route cannot wait for.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, pending, select};
use futures_util::stream::FuturesUnordered;
use tokio::time::{sleep, timeout};

use super::ClientRouter;
use super::answers::{AskedFor, Row};

pub(super) async fn run(router: &ClientRouter, stop: impl Future<Output = ()>) {
    select(pin!(stop), pin!(ask_forever(router))).await;
}

async fn ask_forever(router: &ClientRouter) {
    let mut under_way = FuturesUnordered::new();
    loop {
        let now = router.clock.monotonic();
        while under_way.len() < router.refresh.at_once.max(1) {
            let Some(whom) = router.answers().next(now, router.refresh.every) else { break };
            under_way.push(ask(router, whom));
        }
        let due = router.answers().due(router.refresh.every);
        let full = under_way.len() >= router.refresh.at_once.max(1);
        let answered = async {
            match under_way.next().await {
                Some(answered) => answered,
                None => pending().await,
            }
        };
        let idle = async {
            if full {
                pending().await
            } else {
                select(pin!(router.wanted.notified()), pin!(wait(due, now))).await;
            }
        };
        if let Either::Left(((whom, row), _)) = select(pin!(answered), pin!(idle)).await {
            let changed = router.answers().answered(whom, row, router.clock.monotonic());
            if changed {
                router.move_version();
            }
        }
    }
}

/// Until the next refresh is due; forever where there is none.
async fn wait(due: Option<Duration>, now: Duration) {
    match due {
        Some(due) => sleep(due.saturating_sub(now)).await,
        None => pending().await,
    }
}

async fn ask(router: &ClientRouter, whom: AskedFor) -> (AskedFor, Option<Row>) {
    let before = router.answers().row(&whom);
    let asked = timeout(router.refresh.timeout, router.ask(&whom, before)).await;
    if asked.is_err() {
        tracing::warn!(account = %whom.account, "the flags of the client did not answer in time");
    }
    (whom, asked.ok())
}
