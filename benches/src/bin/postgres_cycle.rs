//! The load of `benches/peers/run_postgres` on netbuild's queue or on the raw client: QUEUE ADDRESS BACKLOG MESSAGES.

use std::time::Duration;

use netbuild_benches::postgres::{Ours, Raw};
use netbuild_benches::sqlite::messages;

const BATCH: u64 = 512;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, queue, address, backlog, count] = &arguments[..] else {
        panic!("arguments: QUEUE ADDRESS BACKLOG MESSAGES")
    };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let (backlog, count) = (number(backlog), number(count));
    let (published, consumed) = match queue.as_str() {
        "netbuild" => {
            let ours = Ours::new(address, "netbuild").await;
            let publish = async |from, to| ours.publish(&messages(from..to)).await;
            cycle(backlog, count, publish, async |count| ours.consume(count).await).await
        }
        "raw" => {
            let raw = Raw::new(address, "raw").await;
            let publish = async |from, to| {
                let bodies = messages(from..to).into_iter().map(|message| message.to_wire().into_bytes());
                raw.publish(&bodies.collect::<Vec<_>>()).await
            };
            cycle(backlog, count, publish, async |count| raw.consume(count).await).await
        }
        other => panic!("no queue is named {other}: netbuild or raw"),
    };
    println!("{queue}\tbatches of {BATCH}\t{}\t{}", published.as_micros(), consumed.as_micros());
}

/// How long it took to publish `count` messages on top of a backlog, and to take as many out.
async fn cycle(
    backlog: u64,
    count: u64,
    publish: impl AsyncFn(u64, u64) -> Duration,
    consume: impl AsyncFn(usize) -> Duration,
) -> (Duration, Duration) {
    let batches = |from: u64, to: u64| (from..to).step_by(BATCH as usize).map(move |at| (at, to.min(at + BATCH)));
    for (from, to) in batches(1, backlog + 1) {
        publish(from, to).await;
    }
    let (mut published, mut consumed) = (Duration::ZERO, Duration::ZERO);
    for (from, to) in batches(backlog + 1, backlog + count + 1) {
        published += publish(from, to).await;
    }
    for (from, to) in batches(0, count) {
        consumed += consume((to - from) as usize).await;
    }
    (published, consumed)
}
