//! Moves that are being counted.

use std::collections::BTreeMap;

use super::{MAX_SAMPLE, Move, Moves};
use crate::rule::Rule;
use crate::{FlagKey, Snapshot, Subject};

/// Moves of one flag that are being counted.
#[derive(Clone)]
pub(super) struct Tally<'s> {
    before: Side<'s>,
    after: Side<'s>,
    of: u64,
    moved: BTreeMap<(Rule, Rule), Moved>,
}

/// One of the two snapshots.
#[derive(Clone)]
struct Side<'s> {
    snapshot: &'s Snapshot,
    index: Option<usize>,
    on: u64,
}

/// Those who move from one rule to another.
#[derive(Clone)]
struct Moved {
    into: bool,
    count: u64,
    sample: Vec<String>,
}

impl<'s> Tally<'s> {
    pub(super) fn new(before: &'s Snapshot, after: &'s Snapshot, flag: &FlagKey) -> Self {
        let side = |snapshot: &'s Snapshot| Side { snapshot, index: snapshot.index(flag), on: 0 };
        Tally { before: side(before), after: side(after), of: 0, moved: BTreeMap::new() }
    }

    /// Counts somebody; the name is asked for only if it is kept.
    pub(super) fn add(&mut self, subject: &Subject<'_>, name: impl FnOnce() -> String) {
        self.of += 1;
        let ((was_on, before), (is_on, after)) = (self.before.decide(subject), self.after.decide(subject));
        if was_on == is_on {
            return;
        }
        let moved = self.moved.entry((before, after));
        let moved = moved.or_insert_with(|| Moved { into: is_on, count: 0, sample: Vec::new() });
        moved.count += 1;
        if moved.sample.len() < MAX_SAMPLE {
            moved.sample.push(name());
        }
    }

    pub(super) fn into_moves(self) -> Moves {
        let Tally { before, after, of, moved } = self;
        let by_rule = moved.into_iter().map(|((rule_before, rule_after), Moved { into, count, sample })| Move {
            into,
            before: before.snapshot.words(rule_before),
            after: after.snapshot.words(rule_after),
            count,
            sample,
        });
        Moves { of, on_before: before.on, on_after: after.on, by_rule: by_rule.collect() }
    }
}

impl Side<'_> {
    fn decide(&mut self, subject: &Subject<'_>) -> (bool, Rule) {
        let decision = self.snapshot.evaluate_at(self.index, subject, false);
        self.on += u64::from(decision.on);
        (decision.on, decision.rule)
    }
}
