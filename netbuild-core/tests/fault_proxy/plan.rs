//! Plans of faults, and that what is sent through them with repeats arrives.

use std::cell::Cell;
use std::collections::HashSet;
use std::mem::discriminant;
use std::time::Duration;

use netbuild_core::testkit::fault_proxy::{FaultPlan, ProxyCounts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::World;

const BETWEEN: std::ops::Range<Duration> = Duration::from_millis(2)..Duration::from_millis(10);
const WITHIN: std::ops::Range<Duration> = Duration::from_millis(1)..Duration::from_millis(20);

#[test]
fn a_seed_is_a_plan_of_all_kinds_within_its_ranges() {
    let plan = FaultPlan::random(1, 200, BETWEEN, WITHIN);
    assert_eq!(plan, FaultPlan::random(1, 200, BETWEEN, WITHIN));
    assert_ne!(plan, FaultPlan::random(2, 200, BETWEEN, WITHIN));
    assert_eq!(plan.faults.len(), 200);
    assert!(plan.faults.iter().all(|planned| BETWEEN.contains(&planned.after) && WITHIN.contains(&planned.lasts)));
    let kinds: HashSet<_> = plan.faults.iter().map(|planned| discriminant(&planned.fault)).collect();
    assert_eq!(kinds.len(), 6);
    assert_eq!(plan.duration(), plan.faults.iter().map(|planned| planned.after + planned.lasts).sum());
}

/// An echo server, and a client that asks each number until it is answered: whatever the plan
/// does, it gets answers again when the plan is over.
#[tokio::test]
async fn a_client_that_repeats_gets_through_a_whole_plan() {
    let world = World::new().await;
    let plan = FaultPlan::random(7, 40, BETWEEN, WITHIN);
    let echo = async {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let mut end = world.accept().await;
            connections.spawn(async move {
                while let Ok(number) = end.read_u64().await {
                    if end.write_u64(number).await.is_err() {
                        return;
                    }
                }
            });
        }
    };
    let answered = Cell::new(0);
    let play = async {
        world.proxy.play(&plan).await;
        let at_the_end = answered.get();
        while answered.get() == at_the_end {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.proxy.counts()
    };
    let ask = async {
        let mut connection = None;
        for number in 1.. {
            loop {
                let asked = async {
                    let mut open = match connection.take() {
                        Some(open) => open,
                        None => world.client().await?,
                    };
                    open.write_u64(number).await?;
                    let answer = open.read_u64().await?;
                    std::io::Result::Ok((open, answer))
                };
                if let Ok(Ok((open, answer))) = tokio::time::timeout(Duration::from_millis(50), asked).await {
                    assert_eq!(answer, number);
                    answered.set(number);
                    connection = Some(open);
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    let counts: ProxyCounts = tokio::select! {
        counts = play => counts,
        () = ask => unreachable!("it asks on"),
        () = echo => unreachable!("it accepts on"),
    };
    assert!(counts.cuts > 5 && counts.resets > 1 && counts.connections > 10, "{counts:?}");
}
