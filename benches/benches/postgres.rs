//! The PostgreSQL queue beside the raw client, with small and with large backlogs, against a server of its own.
//!
//! In each round every queue does the same number of cycles, one queue after the other, so that what else the machine
//! does meets all of them; the figures are medians over the rounds, of the ratios too.

use std::time::Duration;

use netbuild_benches::engine::Spread;
use netbuild_benches::postgres::{Ours, Raw};
use netbuild_benches::sqlite::{MESSAGE_BYTES, messages};
use netbuild_servers::PostgresServer;

/// Messages of a commit, and cycles of a round.
const BATCHES: [(u64, u64); 3] = [(512, 12), (64, 50), (1, 300)];
const BACKLOGS: [u64; 2] = [2_000, 100_000];
const ROUNDS: usize = 11;

/// Our queue and the raw one, with the same messages in both.
struct Pair {
    ours: Ours,
    raw: Raw,
    next: u64,
}

impl Pair {
    async fn new(address: &str, backlog: u64) -> Self {
        let ours = Ours::new(address, &format!("ours_{backlog}")).await;
        let raw = Raw::new(address, &format!("raw_{backlog}")).await;
        let mut pair = Pair { ours, raw, next: 1 };
        while pair.next <= backlog {
            pair.publish(1_000.min(backlog + 1 - pair.next)).await;
        }
        pair
    }

    async fn publish(&mut self, batch: u64) -> (Duration, Duration) {
        let batch = messages(self.next..self.next + batch);
        self.next += batch.len() as u64;
        let bodies: Vec<Vec<u8>> = batch.iter().map(|message| message.to_wire().into_bytes()).collect();
        (self.ours.publish(&batch).await, self.raw.publish(&bodies).await)
    }

    /// What a message costs in one round, in microseconds: ours and raw.
    async fn round(&mut self, batch: u64, cycles: u64) -> (f64, f64) {
        let (mut ours, mut raw) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..cycles {
            let published = self.publish(batch).await;
            ours += published.0 + self.ours.consume(batch as usize).await;
            raw += published.1 + self.raw.consume(batch as usize).await;
        }
        let each = |all: Duration| all.as_secs_f64() * 1e6 / (batch * cycles) as f64;
        (each(ours), each(raw))
    }
}

/// The median of a figure over the rounds.
fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut spread = Spread::default();
    figures.for_each(|figure| spread.add(figure));
    spread.median()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let server = PostgresServer::start(folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let mut pairs = Vec::new();
    for backlog in BACKLOGS {
        pairs.push(Pair::new(&server.url(), backlog).await);
    }
    println!(
        "cycle of {MESSAGE_BYTES}-byte messages: publish, receive, ack; synchronous_commit=on; medians of {ROUNDS} rounds"
    );
    println!("batch  backlog  ours µs/msg  raw µs/msg  raw/ours  beside the smallest backlog");
    for (batch, cycles) in BATCHES {
        let mut measured: Vec<Vec<(f64, f64)>> = Vec::new();
        for _ in 0..ROUNDS {
            let mut round = Vec::new();
            for pair in &mut pairs {
                round.push(pair.round(batch, cycles).await);
            }
            measured.push(round);
        }
        for (index, backlog) in BACKLOGS.iter().enumerate() {
            let ours = median(measured.iter().map(|round| round[index].0));
            let raw = median(measured.iter().map(|round| round[index].1));
            let ratio = median(measured.iter().map(|round| round[index].1 / round[index].0));
            let growth = median(measured.iter().map(|round| round[index].0 / round[0].0));
            println!("{batch:>5}  {backlog:>7}  {ours:>11.1}  {raw:>10.1}  {ratio:>8.2}  {growth:>4.2}");
        }
    }
}
