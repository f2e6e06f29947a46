//! The load of `benches/peers/run` on netbuild's queue or on raw rusqlite: QUEUE FILE BACKLOG MESSAGES.

use std::path::Path;
use std::time::Duration;

use netbuild_benches::sqlite::{Ours, Raw, messages};

const BATCH: u64 = 512;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, queue, file, backlog, count] = &arguments[..] else { panic!("arguments: QUEUE FILE BACKLOG MESSAGES") };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let (file, backlog, count) = (Path::new(file), number(backlog), number(count));
    let (published, consumed) = match queue.as_str() {
        "netbuild" => {
            let ours = Ours::new(file);
            let publish = |from, to| ours.publish(&messages(from..to));
            cycle(backlog, count, publish, |count| ours.consume(count))
        }
        "raw" => {
            let raw = Raw::new(file);
            let publish = |from, to| {
                let bodies = messages(from..to).into_iter().map(|message| serde_json::to_vec(&message).expect("JSON"));
                raw.publish(&bodies.collect::<Vec<_>>())
            };
            cycle(backlog, count, publish, |count| raw.consume(count))
        }
        other => panic!("no queue is named {other}: netbuild or raw"),
    };
    println!("{queue}\tWAL, FULL\t{}\t{}", published.as_micros(), consumed.as_micros());
}

/// How long it took to publish `count` messages on top of a backlog, and to take as many out.
fn cycle(
    backlog: u64,
    count: u64,
    publish: impl Fn(u64, u64) -> Duration,
    consume: impl Fn(usize) -> Duration,
) -> (Duration, Duration) {
    let batches = |from: u64, to: u64| (from..to).step_by(BATCH as usize).map(move |at| (at, to.min(at + BATCH)));
    let _: Duration = batches(1, backlog + 1).map(|(from, to)| publish(from, to)).sum();
    let published = batches(backlog + 1, backlog + count + 1).map(|(from, to)| publish(from, to)).sum();
    let consumed = batches(0, count).map(|(from, to)| consume((to - from) as usize)).sum();
    (published, consumed)
}
