//! Order at the door: messages are admitted by the place that the outbox gave them, not by when the queue hands them out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Place, PublisherId};

/// Bounds of the [`Sequencer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequencerConfig {
    /// How long a message waits for an earlier one that is missing. Default 2 minutes: longer than brokers take to redeliver
    /// after a lost consumer or to elect a leader, and longer than a publisher's breaker stays open. A gap opens only after
    /// such a disturbance.
    pub gap_wait: Duration,
    /// The most messages of a publisher that wait for an earlier one; what comes beyond goes back to the queue. Default
    /// 1,000.
    pub max_held: usize,
}

impl Default for SequencerConfig {
    fn default() -> Self {
        SequencerConfig { gap_wait: Duration::from_secs(120), max_held: 1_000 }
    }
}

/// Puts the messages of each publisher back in order: pure, with the time as an argument. It is a monotonic one: a wall clock
/// that jumps would give gaps up at once, or hold them for as long as it went back.
///
/// A message whose place follows the last one is ready at once. One that comes too early waits until the gap before it is
/// filled, or for [`gap_wait`](SequencerConfig::gap_wait); then it is let through and the gap is counted. One that comes
/// late, or twice, is ready at once: the ledger knows duplicates.
///
/// What waits is bounded, and the bound does not cost the order: the newest messages beyond it are
/// [given back](Self::surplus), to be offered again later.
#[derive(Debug)]
pub struct Sequencer<T> {
    config: SequencerConfig,
    publishers: BTreeMap<PublisherId, Publisher<T>>,
    gaps: u64,
}

#[derive(Debug)]
struct Publisher<T> {
    epoch: u64,
    last: u64,
    held: BTreeMap<(u64, u64), Held<T>>,
}

/// A message, and since when its first copy waits.
#[derive(Debug)]
struct Held<T> {
    since: Duration,
    message: T,
}

impl<T> Default for Publisher<T> {
    fn default() -> Self {
        Publisher { epoch: 0, last: 0, held: BTreeMap::new() }
    }
}

impl<T> Sequencer<T> {
    /// A sequencer that goes on from the last admitted place of each publisher.
    pub fn new(config: SequencerConfig, cursors: impl IntoIterator<Item = Place>) -> Self {
        let start =
            |place: Place| (place.publisher, Publisher { epoch: place.epoch, last: place.seq, held: BTreeMap::new() });
        Sequencer { config, publishers: cursors.into_iter().map(start).collect(), gaps: 0 }
    }

    /// Takes a message in. A second copy takes the place of the first one that still waits: a queue that hands a message out
    /// again does not know the first receipt any more. If it does, because the message was published twice, the first copy
    /// comes again.
    pub fn offer(&mut self, place: &Place, message: T, now: Duration) {
        let publisher = self.publishers.entry(place.publisher.clone()).or_default();
        let key = (place.epoch, place.seq);
        let since = publisher.held.get(&key).map_or(now, |held| held.since);
        publisher.held.insert(key, Held { since, message });
    }

    /// The messages whose turn it is, in order, publisher by publisher.
    pub fn ready(&mut self, now: Duration) -> Vec<T> {
        let mut ready = Vec::new();
        for publisher in self.publishers.values_mut() {
            self.gaps += publisher.drain(&self.config, now, &mut ready);
        }
        ready
    }

    /// Takes out what waits beyond [`max_held`](SequencerConfig::max_held), the newest of each publisher: to be given back
    /// to the queue.
    pub fn surplus(&mut self) -> Vec<T> {
        let max = self.config.max_held;
        self.publishers.values_mut().flat_map(|publisher| publisher.beyond(max)).collect()
    }

    /// When a message stops waiting for a gap, if nothing else comes: [`ready`](Self::ready) is to be asked then.
    pub fn deadline(&self) -> Option<Duration> {
        let oldest = |publisher: &Publisher<T>| publisher.held.values().map(|held| held.since).min();
        self.publishers.values().filter_map(oldest).min().map(|since| since.saturating_add(self.config.gap_wait))
    }

    /// How many messages wait.
    pub fn held(&self) -> usize {
        self.publishers.values().map(|publisher| publisher.held.len()).sum()
    }

    /// How many gaps were given up.
    pub fn gaps(&self) -> u64 {
        self.gaps
    }
}

impl<T> Publisher<T> {
    fn drain(&mut self, config: &SequencerConfig, now: Duration, ready: &mut Vec<T>) -> u64 {
        let mut gaps = 0;
        while let Some(entry) = self.held.first_entry() {
            let (epoch, seq) = *entry.key();
            let late = (epoch, seq) <= (self.epoch, self.last);
            let next = epoch == self.epoch && seq == self.last + 1 || epoch > self.epoch && seq == 1;
            if !late && !next {
                let waited_out = self.held.values().any(|held| held.since.saturating_add(config.gap_wait) <= now);
                if !waited_out {
                    break;
                }
                gaps += 1;
            }
            let Some(((epoch, seq), held)) = self.held.pop_first() else { break };
            ready.push(held.message);
            if !late {
                (self.epoch, self.last) = (epoch, seq);
            }
        }
        gaps
    }

    fn beyond(&mut self, max: usize) -> Vec<T> {
        let first = self.held.keys().nth(max).copied();
        let surplus = first.map(|key| self.held.split_off(&key)).unwrap_or_default();
        surplus.into_values().map(|held| held.message).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(epoch: u64, seq: u64) -> Place {
        Place { publisher: PublisherId::new("api").unwrap(), epoch, seq }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn sequencer() -> Sequencer<u64> {
        Sequencer::new(SequencerConfig { gap_wait: Duration::from_secs(10), max_held: 3 }, [place(1, 5)])
    }

    #[test]
    fn messages_out_of_order_are_put_back() {
        let mut sequencer = sequencer();
        for seq in [8, 7] {
            sequencer.offer(&place(1, seq), seq, at(0));
        }
        assert_eq!(sequencer.ready(at(0)), Vec::<u64>::new());
        assert_eq!(sequencer.deadline(), Some(at(10)));
        sequencer.offer(&place(1, 6), 6, at(1));
        assert_eq!(sequencer.ready(at(1)), [6, 7, 8]);
        assert_eq!((sequencer.gaps(), sequencer.deadline()), (0, None));
    }

    #[test]
    fn a_gap_is_held_for_its_time_and_counted() {
        let mut sequencer = sequencer();
        sequencer.offer(&place(1, 7), 7, at(0));
        sequencer.offer(&place(1, 9), 9, at(9));
        assert_eq!(sequencer.ready(at(9)), Vec::<u64>::new());
        assert_eq!(sequencer.ready(at(10)), [7], "9 waits for 8 still");
        assert_eq!(sequencer.gaps(), 1);
        sequencer.offer(&place(1, 6), 6, at(11));
        assert_eq!(sequencer.ready(at(11)), [6], "what comes late is admitted at once");
    }

    #[test]
    fn duplicates_pass_and_a_new_epoch_begins_at_one() {
        let mut sequencer = sequencer();
        sequencer.offer(&place(1, 5), 5, at(0));
        sequencer.offer(&place(2, 1), 21, at(0));
        sequencer.offer(&place(2, 3), 23, at(0));
        sequencer.offer(&place(2, 3), 230, at(0));
        assert_eq!(sequencer.ready(at(0)), [5, 21]);
        assert_eq!(sequencer.held(), 1, "of two copies that wait one is kept");
        sequencer.offer(&place(2, 2), 22, at(0));
        assert_eq!(sequencer.ready(at(0)), [22, 230], "the newer one, whose receipt is good");
    }

    #[test]
    fn what_waits_beyond_the_bound_is_given_back_and_the_order_stays() {
        let mut sequencer = sequencer();
        for seq in [11, 7, 8, 10, 9] {
            sequencer.offer(&place(1, seq), seq, at(0));
        }
        assert_eq!(sequencer.ready(at(0)), Vec::<u64>::new());
        assert_eq!(sequencer.surplus(), [10, 11], "the newest");
        assert_eq!((sequencer.held(), sequencer.surplus()), (3, Vec::new()));
        sequencer.offer(&place(1, 6), 6, at(1));
        assert_eq!(sequencer.ready(at(1)), [6, 7, 8, 9]);
        for seq in [11, 10] {
            sequencer.offer(&place(1, seq), seq, at(2));
        }
        assert_eq!(sequencer.ready(at(2)), [10, 11]);
        assert_eq!(sequencer.gaps(), 0);
    }
}
