//! What a start does when the name of the build is taken: the fence decides.

use std::cmp::Ordering;

use netbuild_core::model::AttemptNumber;

use crate::verdict::Verdict;

/// What a start does when the name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartDecision {
    /// Start a runner in the folder that is there: none ever ran in it.
    Spawn,
    /// Answer what is there.
    Adopt,
    /// Remove what is there for good, and create.
    Replace,
    /// It is over, and its last processes are being ended: look again soon.
    Wait,
    NameTaken,
    Stale,
}

/// Decides what a start with `fence` does when the name is held by the attempt `held`.
pub(crate) fn decide_start(held: AttemptNumber, verdict: &Verdict, fence: AttemptNumber) -> StartDecision {
    match held.cmp(&fence) {
        Ordering::Greater => StartDecision::Stale,
        Ordering::Equal => match verdict {
            Verdict::NotStarted => StartDecision::Spawn,
            Verdict::Pending | Verdict::Running { .. } | Verdict::Over(_) | Verdict::Ended(_) => StartDecision::Adopt,
        },
        Ordering::Less => match verdict {
            Verdict::NotStarted | Verdict::Ended(_) => StartDecision::Replace,
            Verdict::Over(_) => StartDecision::Wait,
            Verdict::Pending | Verdict::Running { .. } => StartDecision::NameTaken,
        },
    }
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::{Outcome, Report, Timestamp};

    use super::*;

    #[test]
    fn the_fence_decides_who_gets_the_name() {
        use StartDecision::{Adopt, NameTaken, Replace, Spawn, Stale, Wait};
        let running = Verdict::Running { since: Timestamp::EPOCH };
        let success = || Report::of(Outcome::Succeeded { deploy: None });
        let table = [
            (Verdict::NotStarted, Replace, Spawn),
            (Verdict::Pending, NameTaken, Adopt),
            (running, NameTaken, Adopt),
            (Verdict::Over(success()), Wait, Adopt),
            (Verdict::Ended(success()), Replace, Adopt),
        ];
        for (verdict, lower, same) in table {
            let decide = |held| decide_start(AttemptNumber::new(held), &verdict, AttemptNumber::new(2));
            assert_eq!((decide(1), decide(2), decide(3)), (lower, same, Stale), "{verdict:?}");
        }
    }
}
