//! What was accepted against what was admitted.

use std::collections::BTreeSet;

use netbuild_core::model::BuildId;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    accepted: usize,
    received: usize,
    lost: usize,
    doubled: usize,
    order_kept: bool,
    kept_back: u64,
    drained: u64,
}

impl Proof {
    /// Compares both lists; each in its order.
    pub(crate) fn of(accepted: &[BuildId], admitted: &[BuildId], kept_back: u64, drained: u64) -> Self {
        let distinct: BTreeSet<&BuildId> = admitted.iter().collect();
        let lost = accepted.iter().filter(|id| !distinct.contains(id)).count();
        let arrived = accepted.iter().filter(|id| distinct.contains(id));
        Proof {
            accepted: accepted.len(),
            received: admitted.len(),
            lost,
            doubled: admitted.len() - distinct.len(),
            order_kept: arrived.eq(admitted.iter()),
            kept_back,
            drained,
        }
    }

    /// Whether nothing was lost, doubled or out of order, and there was something to show.
    pub(crate) fn holds(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.order_kept && self.kept_back > 0 && self.accepted > 0
    }

    pub(crate) fn to_json(&self) -> String {
        let Proof { accepted, received, lost, doubled, order_kept, kept_back, drained } = self;
        serde_json::json!({
            "accepted": accepted, "received": received, "lost": lost, "doubled": doubled,
            "order_kept": order_kept, "kept_back": kept_back, "drained": drained,
        })
        .to_string()
    }

    pub(crate) fn to_text(&self) -> String {
        let Proof { accepted, received, lost, doubled, order_kept, kept_back, drained } = self;
        let order = if *order_kept { "in the order in which they were accepted" } else { "OUT OF ORDER" };
        let verdict = if self.holds() { "the partition cost time and nothing else" } else { "THE PROOF DOES NOT HOLD" };
        format!(
            "{accepted} events accepted, {received} admitted, {lost} lost, {doubled} doubled, {order}.\n\
             {kept_back} were kept back while the broker was away, {drained} drained when it was back: {verdict}."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_can_be_wrong_is_found() {
        let ids: Vec<BuildId> = (0..4).map(|_| BuildId::generate()).collect();
        let proof = |admitted: &[BuildId]| Proof::of(&ids, admitted, 2, 3);
        assert!(proof(&ids).holds());
        assert_eq!(proof(&ids[1..]).lost, 1);
        let mut doubled = ids.clone();
        doubled.push(ids[0]);
        assert_eq!(proof(&doubled).doubled, 1);
        let mut swapped = ids.clone();
        swapped.swap(1, 2);
        assert!(!proof(&swapped).order_kept);
        for admitted in [&ids[1..], &doubled, &swapped] {
            assert!(!proof(admitted).holds());
        }
        assert!(!Proof::of(&ids, &ids, 0, 0).holds(), "without a partition nothing is shown");
    }

    #[test]
    fn the_json_has_the_promised_fields() {
        let id = BuildId::generate();
        let expected =
            r#"{"accepted":1,"doubled":0,"drained":1,"kept_back":1,"lost":0,"order_kept":true,"received":1}"#;
        assert_eq!(Proof::of(&[id], &[id], 1, 1).to_json(), expected);
    }
}
