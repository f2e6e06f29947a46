//! Which deliveries the callers of this queue hold. The server would also take an answer to a delivery that was answered.

use std::collections::BTreeMap;
use std::time::Duration;

use super::receipt::DeliveryName;

/// Below so many entries nothing is looked through for what is over.
const FEW: usize = 1_024;

/// The deliveries of the last time. Times are the clock's monotonic ones.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// By the messages' numbers in the stream.
    deliveries: BTreeMap<u64, Delivery>,
    /// The number of entries at which those that are over are dropped.
    tidy_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Delivery {
    number: u64,
    state: State,
    /// When nobody asks for it any more.
    until: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Held,
    GivenBack,
}

impl Held {
    /// A delivery was handed out, and is remembered until a time.
    pub(super) fn hand_out(&mut self, name: DeliveryName, now: Duration, until: Duration) {
        if self.deliveries.len() >= self.tidy_at.max(FEW) {
            self.deliveries.retain(|_, delivery| delivery.until > now);
            self.tidy_at = 2 * self.deliveries.len();
        }
        self.deliveries.insert(name.sequence, Delivery { number: name.deliveries, state: State::Held, until });
    }

    /// Whether a caller has this delivery and answered nothing yet. It may be due again: as long as nobody has it, a late
    /// answer is as good as one in time.
    pub(super) fn has(&self, name: DeliveryName) -> bool {
        let delivery = self.deliveries.get(&name.sequence);
        delivery.is_some_and(|delivery| delivery.number == name.deliveries && delivery.state == State::Held)
    }

    /// A message is gone.
    pub(super) fn forget(&mut self, name: DeliveryName) {
        self.deliveries.remove(&name.sequence);
    }

    /// A message was given back, and counts as such until a time at which somebody else must have it.
    pub(super) fn give_back(&mut self, name: DeliveryName, until: Duration) {
        let delivery = Delivery { number: name.deliveries, state: State::GivenBack, until };
        self.deliveries.insert(name.sequence, delivery);
    }

    /// How many messages were given back and not handed out again.
    pub(super) fn given_back(&self, now: Duration) -> u64 {
        let given_back = |delivery: &&Delivery| delivery.state == State::GivenBack && delivery.until > now;
        self.deliveries.values().filter(given_back).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(sequence: u64, deliveries: u64) -> DeliveryName {
        DeliveryName { sequence, deliveries, published: Duration::ZERO }
    }

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_delivery_is_held_until_it_is_answered_or_handed_out_again() {
        let mut held = Held::default();
        for sequence in 1..=4 {
            held.hand_out(name(sequence, 1), Duration::ZERO, S);
        }
        assert!(held.has(name(1, 1)) && !held.has(name(1, 2)) && !held.has(name(5, 1)));
        held.forget(name(2, 1));
        held.give_back(name(3, 1), 2 * S);
        held.hand_out(name(4, 2), Duration::ZERO, S);
        assert!(!held.has(name(2, 1)) && !held.has(name(3, 1)));
        assert!(!held.has(name(4, 1)) && held.has(name(4, 2)));
        assert_eq!((held.given_back(S), held.given_back(2 * S)), (1, 0));
        held.hand_out(name(3, 2), S, 2 * S);
        assert_eq!(held.given_back(S), 0);
    }

    #[test]
    fn what_is_over_is_dropped() {
        let mut held = Held::default();
        for sequence in 0..10_000 {
            let now = S * u32::try_from(sequence).unwrap();
            held.hand_out(name(sequence, 1), now, now + 10 * S);
        }
        assert!(held.deliveries.len() <= FEW);
    }
}
