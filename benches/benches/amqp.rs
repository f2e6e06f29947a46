//! The RabbitMQ queue beside the raw client, against a broker of its own.
//!
//! In each round both do the same number of cycles, in turn, so that what else the machine does meets both; the figures are
//! medians over the rounds, of the ratio too. `--smoke` runs one short round.

use std::time::Duration;

use netbuild_benches::amqp::{Ours, Raw};
use netbuild_benches::engine::Spread;
use netbuild_benches::sqlite::{MESSAGE_BYTES, messages};
use netbuild_servers::RabbitmqServer;

/// Messages of a batch, and cycles of a round.
const BATCHES: [(u64, u64); 3] = [(512, 10), (64, 40), (1, 200)];
const ROUNDS: usize = 11;

/// The median of a figure over the rounds.
fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut spread = Spread::default();
    figures.for_each(|figure| spread.add(figure));
    spread.median()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let (batches, rounds): (&[_], _) = if smoke { (&[(16, 2)], 1) } else { (&BATCHES, ROUNDS) };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let server = RabbitmqServer::start(folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let (ours, mut raw) = (Ours::new(&server.url(), "ours").await, Raw::new(&server.url(), "raw").await);
    println!(
        "cycle of {MESSAGE_BYTES}-byte messages: publish, receive, ack; quorum queue, confirms; medians of {rounds} rounds"
    );
    println!("batch  ours µs/msg  raw µs/msg  raw/ours");
    let mut next = 1;
    for (batch, cycles) in batches {
        let mut measured: Vec<(f64, f64)> = Vec::new();
        for _ in 0..rounds {
            let (mut by_ours, mut by_raw) = (Duration::ZERO, Duration::ZERO);
            for _ in 0..*cycles {
                let jobs = messages(next..next + batch);
                next += batch;
                let bodies: Vec<Vec<u8>> = jobs.iter().map(|message| message.to_wire().into_bytes()).collect();
                by_ours += ours.publish(&jobs).await + ours.consume(jobs.len()).await;
                by_raw += raw.publish(&bodies).await + raw.consume(bodies.len()).await;
            }
            let each = |all: Duration| all.as_secs_f64() * 1e6 / (batch * cycles) as f64;
            measured.push((each(by_ours), each(by_raw)));
        }
        let ours = median(measured.iter().map(|(ours, _)| *ours));
        let raw = median(measured.iter().map(|(_, raw)| *raw));
        let ratio = median(measured.iter().map(|(ours, raw)| raw / ours));
        println!("{batch:>5}  {ours:>11.1}  {raw:>10.1}  {ratio:>8.2}");
    }
}
