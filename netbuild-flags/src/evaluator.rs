//! The handle with which one thread evaluates.

use std::sync::Arc;

use arc_swap::{ArcSwapOption, Cache};

use crate::exposure::Recorder;
use crate::rule::{Decision, Rule};
use crate::subject::Subject;
use crate::{FlagKey, Flags, Snapshot};

/// Evaluates for one thread, and counts what it answers in counters of its own: threads do not slow each other.
///
/// It keeps the snapshot that it used last, and looks with each evaluation whether that is still in force. What it
/// counts is read through [`Flags::exposure`], also while it counts and after it is dropped.
#[derive(Debug)]
pub struct Evaluator {
    snapshot: Cache<Arc<ArcSwapOption<Snapshot>>, Option<Arc<Snapshot>>>,
    recorder: Recorder,
}

impl Evaluator {
    pub(crate) fn new(flags: &Flags) -> Self {
        Evaluator { snapshot: Cache::new(flags.current()), recorder: flags.recorder() }
    }

    /// Whether a flag is on for a subject, and which rule decided; `default` when nobody knows. It is counted, unless the
    /// flag is unknown.
    #[inline]
    pub fn evaluate(&mut self, flag: &FlagKey, subject: &Subject<'_>, default: bool) -> Decision {
        let Some(snapshot) = self.snapshot.load() else {
            return Decision { on: default, rule: Rule::NoSnapshot, version: 0 };
        };
        answer(snapshot, &mut self.recorder, flag, subject, default)
    }

    /// The same by a snapshot that was in force a moment ago, for who needs more of it than the answer.
    pub(crate) fn evaluate_in(
        &mut self,
        snapshot: &Snapshot,
        flag: &FlagKey,
        subject: &Subject<'_>,
        default: bool,
    ) -> Decision {
        answer(snapshot, &mut self.recorder, flag, subject, default)
    }

    /// Whether a flag is on for a subject: as [`evaluate`](Self::evaluate).
    #[inline]
    pub fn is_on(&mut self, flag: &FlagKey, subject: &Subject<'_>, default: bool) -> bool {
        self.evaluate(flag, subject, default).on
    }

    /// The snapshot in force.
    pub fn snapshot(&mut self) -> Option<&Arc<Snapshot>> {
        self.snapshot.load().as_ref()
    }
}

#[inline]
fn answer(
    snapshot: &Snapshot,
    recorder: &mut Recorder,
    flag: &FlagKey,
    subject: &Subject<'_>,
    default: bool,
) -> Decision {
    if recorder.version() != snapshot.version() {
        recorder.follow(snapshot);
    }
    let index = snapshot.index(flag);
    let decision = snapshot.evaluate_at(index, subject, default);
    if let Some(index) = index {
        recorder.record(index, subject, decision.on);
    }
    decision
}
