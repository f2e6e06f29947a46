//! The NATS queue beside raw async-nats, on one server that syncs before it confirms.
//!
//! In each round both queues do the same number of cycles, by turns, so that what else the machine does meets both; the
//! figures are medians over the rounds, of the ratio too. With `--smoke` there are two short rounds: does it run?

use std::time::Duration;

use netbuild_benches::nats::{Ours, Raw};
use netbuild_benches::sqlite::{MESSAGE_BYTES, messages};
use netbuild_servers::NatsServer;

/// Messages of a batch, and cycles of a round.
const BATCHES: [(u64, u64); 3] = [(512, 4), (64, 16), (1, 64)];
const ROUNDS: usize = 7;

/// Our queue and the raw one, with the same messages in both.
struct Pair {
    ours: Ours,
    raw: Raw,
    next: u64,
}

impl Pair {
    /// What a message costs in one round, in microseconds: ours and raw.
    async fn round(&mut self, batch: u64, cycles: u64) -> (f64, f64) {
        let (mut ours, mut raw) = (Duration::ZERO, Duration::ZERO);
        for cycle in 0..cycles {
            let messages = messages(self.next..self.next + batch);
            self.next += batch;
            let bodies = messages.iter().map(|message| (message.build.id.to_string(), message.to_wire().into_bytes()));
            let bodies: Vec<_> = bodies.collect();
            // Who comes first meets a colder server.
            if cycle % 2 == 0 {
                ours += self.ours.publish(&messages).await + self.ours.consume(messages.len()).await;
            }
            raw += self.raw.publish(bodies).await + self.raw.consume(messages.len()).await;
            if cycle % 2 == 1 {
                ours += self.ours.publish(&messages).await + self.ours.consume(messages.len()).await;
            }
        }
        let each = |all: Duration| all.as_secs_f64() * 1e6 / (batch * cycles) as f64;
        (each(ours), each(raw))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--smoke") { 2 } else { ROUNDS };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let server = NatsServer::start(folder.path()).expect("nats-server runs");
    let mut pair = Pair { ours: Ours::new(&server.url()).await, raw: Raw::new(&server.url()).await, next: 1 };
    println!(
        "cycle of {MESSAGE_BYTES}-byte messages: publish, receive, ack; sync_interval: always; medians of {rounds} rounds"
    );
    println!("batch  ours µs/msg  raw µs/msg  raw/ours");
    for (batch, cycles) in BATCHES {
        let mut figures = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            figures.push(pair.round(batch, cycles).await);
        }
        let ours = median(figures.iter().map(|(ours, _)| *ours));
        let raw = median(figures.iter().map(|(_, raw)| *raw));
        let ratio = median(figures.iter().map(|(ours, raw)| raw / ours));
        println!("{batch:>5}  {ours:>11.1}  {raw:>10.1}  {ratio:>8.2}");
    }
}
