//! What the broker gave to this consumer and has not heard about: which of it waits, is handed out, or is held back.
//!
//! Nothing here talks to the broker: what is to be told to it is answered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

/// A message as the broker gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) body: Arc<[u8]>,
    /// How often it was handed out, this time included, as the broker counts.
    pub(super) deliveries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// For the next caller.
    Waiting,
    /// Goes back to the broker at that time unless it is acked.
    HandedOut { until: Instant },
    /// Handed back, and goes back to the broker at that time.
    HeldBack { until: Instant },
}

/// The deliveries of one consumer, by the broker's tags, which grow.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    all: BTreeMap<u64, (Held, State)>,
    waiting: VecDeque<u64>,
}

/// What is to be acked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Acks {
    /// All up to this one, in one word.
    pub(super) up_to: Option<u64>,
    /// And each of these.
    pub(super) each: Vec<u64>,
}

impl Holdings {
    /// The broker gave a message.
    pub(super) fn arrive(&mut self, tag: u64, held: Held) {
        self.all.insert(tag, (held, State::Waiting));
        self.waiting.push_back(tag);
    }

    /// Hands out at most `max` messages, which go back at `until`.
    pub(super) fn hand_out(&mut self, max: usize, until: Instant) -> Vec<(u64, Held)> {
        let tags: Vec<u64> = self.waiting.drain(..max.min(self.waiting.len())).collect();
        let mut handed_out = Vec::with_capacity(tags.len());
        for tag in tags {
            if let Some((held, state)) = self.all.get_mut(&tag) {
                *state = State::HandedOut { until };
                handed_out.push((tag, held.clone()));
            }
        }
        handed_out
    }

    /// Those of the tags that are handed out, each once.
    pub(super) fn good(&self, tags: &[u64]) -> BTreeMap<u64, Held> {
        let good = |tag: &u64| match self.all.get(tag) {
            Some((held, State::HandedOut { .. })) => Some((*tag, held.clone())),
            _ => None,
        };
        tags.iter().filter_map(good).collect()
    }

    /// Forgets those of the tags that are handed out.
    pub(super) fn ack(&mut self, tags: &[u64]) -> Acks {
        let mut acked: Vec<u64> = tags.iter().copied().filter(|tag| self.remove_handed_out(*tag)).collect();
        acked.sort_unstable();
        // One word acks all up to a tag, so none of those before it may be left.
        let first_left = self.all.keys().next().copied().unwrap_or(u64::MAX);
        let in_one = acked.partition_point(|tag| *tag < first_left);
        let each = acked.split_off(in_one);
        Acks { up_to: acked.last().copied(), each }
    }

    /// Holds those of the tags back that are handed out, until a time. No more than `most` are held back; beyond that those
    /// whose time comes first are answered, to be given back now.
    pub(super) fn hold_back(&mut self, tags: &[u64], until: Instant, most: usize) -> Vec<(u64, Held)> {
        for tag in tags {
            if let Some((_, state @ State::HandedOut { .. })) = self.all.get_mut(tag) {
                *state = State::HeldBack { until };
            }
        }
        let mut held_back: Vec<(Instant, u64)> = self.all.iter().filter_map(held_back).collect();
        held_back.sort_unstable();
        let early: Vec<u64> = held_back[..held_back.len().saturating_sub(most)].iter().map(|(_, tag)| *tag).collect();
        self.remove(early)
    }

    /// Takes out those of the tags that are handed out, to be given back.
    pub(super) fn give_back(&mut self, tags: &[u64]) -> Vec<(u64, Held)> {
        let good = self.good(tags).into_keys().collect();
        self.remove(good)
    }

    /// Takes out what waits for a caller, to be given back: nobody asks for it.
    pub(super) fn give_back_waiting(&mut self) -> Vec<(u64, Held)> {
        let waiting = self.waiting.drain(..).collect();
        self.remove(waiting)
    }

    /// Takes out what is due, to be given back.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(u64, Held)> {
        let due = |(tag, (_, state)): (&u64, &(Held, State))| state.until().is_some_and(|at| at <= now).then_some(*tag);
        let due = self.all.iter().filter_map(due).collect();
        self.remove(due)
    }

    /// When the next of them is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.all.values().filter_map(|(_, state)| state.until()).min()
    }

    /// How many are handed out, and how many are here and are not.
    pub(super) fn counts(&self) -> (u64, u64) {
        let handed_out = self.all.values().filter(|(_, state)| matches!(state, State::HandedOut { .. })).count();
        (handed_out as u64, (self.all.len() - handed_out) as u64)
    }

    fn remove_handed_out(&mut self, tag: u64) -> bool {
        let is_handed_out = matches!(self.all.get(&tag), Some((_, State::HandedOut { .. })));
        is_handed_out && self.all.remove(&tag).is_some()
    }

    fn remove(&mut self, tags: Vec<u64>) -> Vec<(u64, Held)> {
        tags.into_iter().filter_map(|tag| Some((tag, self.all.remove(&tag)?.0))).collect()
    }
}

impl State {
    fn until(&self) -> Option<Instant> {
        match self {
            State::Waiting => None,
            State::HandedOut { until } | State::HeldBack { until } => Some(*until),
        }
    }
}

fn held_back((tag, (_, state)): (&u64, &(Held, State))) -> Option<(Instant, u64)> {
    match state {
        State::HeldBack { until } => Some((*until, *tag)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn with(tags: std::ops::RangeInclusive<u64>) -> Holdings {
        let mut holdings = Holdings::default();
        for tag in tags {
            holdings.arrive(tag, Held { body: Arc::new([]), deliveries: 1 });
        }
        holdings
    }

    fn tags(given_back: Vec<(u64, Held)>) -> Vec<u64> {
        given_back.into_iter().map(|(tag, _)| tag).collect()
    }

    fn later(secs: u64) -> Instant {
        Instant::now() + Duration::from_secs(secs)
    }

    #[tokio::test(start_paused = true)]
    async fn one_word_acks_what_nothing_unacked_stands_before() {
        let mut holdings = with(1..=8);
        holdings.hand_out(6, later(30));
        assert_eq!(holdings.ack(&[3, 1, 2, 2]), Acks { up_to: Some(3), each: vec![] });
        assert_eq!(holdings.ack(&[5]), Acks { up_to: None, each: vec![5] }, "4 is not acked");
        assert_eq!(holdings.ack(&[7, 1]), Acks::default(), "what waits or is gone cannot be acked");
        assert_eq!(holdings.ack(&[4, 6]), Acks { up_to: Some(6), each: vec![] }, "7 and 8 wait behind them");
        assert_eq!(holdings.counts(), (0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_is_given_back_once() {
        let mut holdings = with(1..=4);
        holdings.hand_out(2, later(30));
        holdings.hand_out(1, later(50));
        assert_eq!(tags(holdings.hold_back(&[2, 4], later(10), 9)), [0; 0], "4 was not handed out");
        assert_eq!(holdings.next_due(), Some(later(10)));
        assert_eq!((tags(holdings.due(later(10))), tags(holdings.due(later(30)))), (vec![2], vec![1]));
        assert_eq!(holdings.counts(), (1, 1));
        assert_eq!((tags(holdings.due(later(60))), holdings.next_due()), (vec![3], None), "what waits is never due");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_back_leaves_room_for_others() {
        let mut holdings = with(1..=4);
        holdings.hand_out(4, later(90));
        assert_eq!(tags(holdings.hold_back(&[1], later(20), 2)), [0; 0]);
        assert_eq!(tags(holdings.hold_back(&[2, 3], later(10), 2)), [2], "the one that is due first goes back early");
        assert_eq!(tags(holdings.give_back(&[1, 4])), [4], "what is held back is no longer the caller's");
    }
}
