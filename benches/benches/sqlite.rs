//! The SQLite queue beside raw rusqlite, with small and with large backlogs.
//!
//! In each round every queue does the same number of cycles, one queue after the other, so that what else the machine
//! does meets all of them; the figures are medians over the rounds, of the ratios too.

use std::iter;
use std::path::Path;
use std::time::Duration;

use netbuild_benches::sqlite::{MESSAGE_BYTES, Ours, Raw, messages};

/// Messages of a commit, and cycles of a round: enough for the write-ahead log to be copied back in each.
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
    fn new(folder: &Path, backlog: u64) -> Self {
        let ours = Ours::new(&folder.join(format!("ours-{backlog}.db")));
        let raw = Raw::new(&folder.join(format!("raw-{backlog}.db")));
        let mut pair = Pair { ours, raw, next: 1 };
        while pair.next <= backlog {
            pair.publish(1_000.min(backlog + 1 - pair.next));
        }
        pair
    }

    fn publish(&mut self, batch: u64) -> (Duration, Duration) {
        let batch = messages(self.next..self.next + batch);
        self.next += batch.len() as u64;
        let bodies: Vec<Vec<u8>> = batch.iter().map(|message| serde_json::to_vec(message).expect("JSON")).collect();
        (self.ours.publish(&batch), self.raw.publish(&bodies))
    }

    /// What a message costs in one round, in microseconds: ours and raw.
    fn round(&mut self, batch: u64, cycles: u64) -> (f64, f64) {
        let (mut ours, mut raw) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..cycles {
            let published = self.publish(batch);
            ours += published.0 + self.ours.consume(batch as usize);
            raw += published.1 + self.raw.consume(batch as usize);
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

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut pairs = BACKLOGS.map(|backlog| Pair::new(folder.path(), backlog));
    println!(
        "cycle of {MESSAGE_BYTES}-byte messages: publish, receive, ack; WAL, synchronous=FULL; medians of {ROUNDS} rounds"
    );
    println!("batch  backlog  ours µs/msg  raw µs/msg  raw/ours  beside the smallest backlog");
    for (batch, cycles) in BATCHES {
        let rounds: Vec<Vec<(f64, f64)>> =
            iter::repeat_with(|| pairs.iter_mut().map(|pair| pair.round(batch, cycles)).collect())
                .take(ROUNDS)
                .collect();
        for (index, backlog) in BACKLOGS.iter().enumerate() {
            let ours = median(rounds.iter().map(|round| round[index].0));
            let raw = median(rounds.iter().map(|round| round[index].1));
            let ratio = median(rounds.iter().map(|round| round[index].1 / round[index].0));
            let growth = median(rounds.iter().map(|round| round[index].0 / round[0].0));
            println!("{batch:>5}  {backlog:>7}  {ours:>11.1}  {raw:>10.1}  {ratio:>8.2}  {growth:>4.2}");
        }
    }
}
