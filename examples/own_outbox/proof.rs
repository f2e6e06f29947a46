//! What the host committed against what arrived.

use std::collections::BTreeSet;

use netbuild_core::port::Message;
use uuid::Uuid;

/// A message that arrived: its number in the host's table, and its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrived(u64, Uuid);

impl Arrived {
    pub(crate) fn of(message: &Message) -> Self {
        Arrived(message.place.seq, *message.build.id.as_uuid())
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    accepted: usize,
    received: usize,
    lost: usize,
    doubled: usize,
    order_kept: bool,
    gaps: bool,
    rolled_back: u32,
    pending: u64,
}

impl Proof {
    /// Compares the host's events with those that arrived; each in its order.
    pub(crate) fn of(committed: &[(u64, Uuid)], arrived: &[Arrived], rolled_back: u32, pending: u64) -> Self {
        let distinct: BTreeSet<&Arrived> = arrived.iter().collect();
        let lost = committed.iter().filter(|(number, id)| !distinct.contains(&Arrived(*number, *id))).count();
        Proof {
            accepted: committed.len(),
            received: arrived.len(),
            lost,
            doubled: arrived.len() - distinct.len(),
            order_kept: arrived.is_sorted(),
            gaps: !committed.iter().map(|(number, _)| *number).eq(1..=committed.len() as u64),
            rolled_back,
            pending,
        }
    }

    /// Whether nothing was lost, doubled, out of order or left, and there was something to show.
    pub(crate) fn holds(&self) -> bool {
        let clean = self.lost == 0 && self.doubled == 0 && self.order_kept && !self.gaps && self.pending == 0;
        clean && self.accepted > 0 && self.rolled_back > 0
    }

    pub(crate) fn to_json(&self) -> String {
        let Proof { accepted, received, lost, doubled, order_kept, gaps, rolled_back, pending } = self;
        serde_json::json!({
            "accepted": accepted, "received": received, "lost": lost, "doubled": doubled,
            "order_kept": order_kept, "gaps": gaps, "rolled_back": rolled_back, "pending": pending,
        })
        .to_string()
    }

    pub(crate) fn to_text(&self) -> String {
        let Proof { accepted, received, lost, doubled, order_kept, gaps, rolled_back, pending } = self;
        let order = if *order_kept { "in the order of their numbers" } else { "OUT OF ORDER" };
        let numbers = if *gaps { "the numbers HAVE GAPS" } else { "the numbers have no gap" };
        let verdict = if self.holds() { "the host's own table is the outbox" } else { "THE PROOF DOES NOT HOLD" };
        format!(
            "{accepted} events committed, {received} received, {lost} lost, {doubled} doubled, {order}; {pending} pending.\n\
             {rolled_back} transactions were rolled back, and {numbers}: {verdict}."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_can_be_wrong_is_found() {
        let committed: Vec<(u64, Uuid)> = (1..=4).map(|number| (number, Uuid::now_v7())).collect();
        let arrived: Vec<Arrived> = committed.iter().map(|(number, id)| Arrived(*number, *id)).collect();
        let proof = |arrived: &[Arrived]| Proof::of(&committed, arrived, 1, 0);
        assert!(proof(&arrived).holds());
        assert_eq!(proof(&arrived[1..]).lost, 1);
        let doubled = [&arrived[..], &arrived[3..]].concat();
        assert_eq!(proof(&doubled).doubled, 1);
        let mut swapped = arrived.clone();
        swapped.swap(1, 2);
        assert!(!proof(&swapped).order_kept);
        for wrong in [&arrived[1..], &doubled, &swapped] {
            assert!(!proof(wrong).holds());
        }
        assert!(Proof::of(&committed[1..], &arrived[1..], 1, 0).gaps);
        assert!(!Proof::of(&committed, &arrived, 1, 1).holds(), "something is left");
        assert!(!Proof::of(&committed, &arrived, 0, 0).holds(), "without a rollback nothing is shown");
    }
}
