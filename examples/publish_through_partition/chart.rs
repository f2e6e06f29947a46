//! What a person sees while it runs: a line every quarter of a second.

use std::io::Write;
use std::time::Duration;

use netbuild_core::breaker::BreakerState;
use netbuild_core::intake::PublisherStatus;

/// The width of a bar, and what it stands for when it is full.
const WIDTH: usize = 32;

pub(crate) struct Chart {
    /// On a terminal every look is a line, in colours; elsewhere only each fourth is, and what changed.
    live: bool,
    looks: u64,
    last: Option<BreakerState>,
    full: u64,
}

impl Chart {
    pub(crate) fn new(live: bool, broker: &str) -> Self {
        eprintln!("the broker is {broker}; # published, = kept back in the outbox\n");
        eprintln!(
            "{:>6}  {:<9}  {:>9} {:>9} {:>8} {:>8}",
            "", "breaker", "published", "kept back", "drained", "admitted"
        );
        Chart { live, looks: 0, last: None, full: 1 }
    }

    pub(crate) fn draw(&mut self, time: Duration, is_away: bool, status: &PublisherStatus, admitted: usize) {
        self.looks += 1;
        let same = |last: BreakerState| last.as_str() == status.breaker.as_str();
        let changed = !self.last.is_some_and(same);
        self.last = Some(status.breaker);
        if !self.live && !changed && !self.looks.is_multiple_of(4) {
            return;
        }
        let counts = &status.counts;
        self.full = self.full.max(counts.published + status.backlog.count);
        let bar = self.bar(counts.published, status.backlog.count);
        let network = if is_away { "  (no network)" } else { "" };
        let line = format!(
            "{:>5.1}s  {:<9}  {:>9} {:>9} {:>8} {:>8}  {bar}{network}",
            time.as_secs_f64(),
            self.colored(status.breaker),
            counts.published,
            status.backlog.count,
            counts.drained,
            admitted
        );
        // Who closed the terminal does not look.
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    pub(crate) fn say(&self, what: &str) {
        let _ = writeln!(std::io::stderr(), "        -- {what}");
    }

    pub(crate) fn end(&self) {
        let _ = writeln!(std::io::stderr());
    }

    fn bar(&self, published: u64, kept_back: u64) -> String {
        let cells = |count: u64| (count * WIDTH as u64).div_ceil(self.full) as usize;
        let kept = cells(kept_back).min(WIDTH);
        let sent = cells(published).min(WIDTH - kept);
        format!("{}{}{}", "#".repeat(sent), "=".repeat(kept), " ".repeat(WIDTH - kept - sent))
    }

    fn colored(&self, state: BreakerState) -> String {
        let label = state.as_str();
        if !self.live {
            return label.to_owned();
        }
        let color = match state {
            BreakerState::Closed => 32,
            BreakerState::Open { .. } => 31,
            BreakerState::HalfOpen => 33,
        };
        format!("\x1b[{color}m{label:<9}\x1b[0m")
    }
}
