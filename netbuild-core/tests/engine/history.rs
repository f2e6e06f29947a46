//! What happened at ground truth, and the promises that it must keep. Each check is a function of a history alone, so that
//! histories made by hand show that it can fail.

use std::collections::{BTreeMap, BTreeSet};

use netbuild_core::model::{AttemptId, BuildKey, CancelReason, Cause, Ending, ExecutorName, Outcome, Owner, Rank};

/// A fact, as the ledger, the executors or somebody with a clock saw it.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    Admitted {
        build: BuildKey,
    },
    Planned {
        attempt: AttemptId,
        rank: Rank,
        lane: ExecutorName,
        /// What the lane's executor may run at once.
        slots: Option<u32>,
        /// The builds of the account in this lane that no attempt was made of yet.
        waiting: Vec<Rank>,
    },
    Settled {
        attempt: AttemptId,
        outcome: Outcome,
        /// Whether the attempt really ended, or was to end, by what the customer's command did.
        customers: bool,
        /// Whether its command really ran still.
        works: bool,
    },
    Requeued {
        build: BuildKey,
    },
    /// A cancel was taken down and answered.
    CancelAccepted {
        build: BuildKey,
    },
    Ended {
        build: BuildKey,
        rank: Rank,
        ending: Ending,
    },
    /// The command of an attempt begins to run somewhere.
    Works {
        attempt: AttemptId,
    },
    /// Nothing of it runs any more.
    Rests {
        attempt: AttemptId,
    },
    /// The ledger refused a change.
    Illegal {
        change: String,
    },
    /// After a step: a lane with room, and a build that waits in it although it may start.
    Idle {
        lane: ExecutorName,
        build: BuildKey,
    },
    /// Open builds after a step, as the engine and the ledger have them.
    Counted {
        engine: usize,
        ledger: usize,
    },
    /// A tick at the deadline, and by how many milliseconds the next deadline is later.
    Ticked {
        next_after: Option<u64>,
    },
    /// Long after all faults were over.
    Over,
}

/// What bounds the history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) per_account: usize,
    pub(crate) attempts: u32,
}

/// Checks every promise.
pub(crate) fn check(history: &[Fact], bounds: Bounds) -> Result<(), String> {
    every_build_ends_once(history)?;
    never_two_at_work(history)?;
    nothing_alive_is_given_up(history)?;
    newer_deploys_stay(history)?;
    cancelled_stays_invisible(history)?;
    lanes_are_not_overfilled(history)?;
    accounts_keep_their_limit(history, bounds.per_account)?;
    first_attempts_are_in_order(history)?;
    no_lane_blocks_another(history)?;
    customers_are_never_retried(history)?;
    infrastructure_is_never_the_customers(history)?;
    attempts_are_bounded(history, bounds.attempts)?;
    every_change_is_legal(history)?;
    deadlines_move_on(history)
}

pub(crate) fn every_build_ends_once(history: &[Fact]) -> Result<(), String> {
    let mut open = BTreeSet::new();
    for fact in history {
        match fact {
            Fact::Admitted { build } => drop(open.insert(build)),
            Fact::Ended { build, .. } if !open.remove(build) => return Err(format!("{build} ended and was not open")),
            Fact::Counted { engine, ledger } if engine != ledger => {
                return Err(format!("the engine has {engine} open builds, the ledger {ledger}"));
            }
            Fact::Over if !open.is_empty() => return Err(format!("{open:?} never end")),
            _ => {}
        }
    }
    Ok(())
}

pub(crate) fn never_two_at_work(history: &[Fact]) -> Result<(), String> {
    let mut at_work: BTreeMap<&BuildKey, &AttemptId> = BTreeMap::new();
    for fact in history {
        match fact {
            Fact::Works { attempt } => {
                if let Some(other) = at_work.insert(&attempt.build, attempt) {
                    return Err(format!("{attempt} works while {other} does"));
                }
            }
            Fact::Rests { attempt } if at_work.get(&attempt.build) == Some(&attempt) => {
                at_work.remove(&attempt.build);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Absence and silence are concluded only when they are certain.
pub(crate) fn nothing_alive_is_given_up(history: &[Fact]) -> Result<(), String> {
    history.iter().try_for_each(|fact| match fact {
        Fact::Settled { attempt, outcome: Outcome::Failed(failure), works: true, .. }
            if matches!(failure.cause, Cause::Lost | Cause::HostLost | Cause::PendingTimeout | Cause::Unknown) =>
        {
            Err(format!("{attempt} is given up with {} while it works", failure.cause))
        }
        _ => Ok(()),
    })
}

pub(crate) fn newer_deploys_stay(history: &[Fact]) -> Result<(), String> {
    let mut visible = BTreeMap::new();
    for fact in history {
        if let Fact::Ended { build, rank, ending: Ending::Deployed { .. } } = fact {
            let site = (&build.account, &build.project);
            if visible.insert(site, rank).is_some_and(|before| before >= rank) {
                return Err(format!("{build} replaced a newer deploy"));
            }
        }
    }
    Ok(())
}

pub(crate) fn cancelled_stays_invisible(history: &[Fact]) -> Result<(), String> {
    let mut cancelled = BTreeSet::new();
    for fact in history {
        match fact {
            Fact::CancelAccepted { build } => drop(cancelled.insert(build)),
            Fact::Ended { build, ending, .. } => {
                let asked = cancelled.contains(build);
                if asked != matches!(ending, Ending::Cancelled { reason: CancelReason::User }) {
                    return Err(format!("{build} ended as {}; cancel asked: {asked}", ending.label()));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The live attempts in the order of the history, by what the ledger knows.
fn live_after_each<'a>(
    history: &'a [Fact],
    mut each: impl FnMut(&'a Fact, &BTreeMap<&'a AttemptId, &'a ExecutorName>) -> Result<(), String>,
) -> Result<(), String> {
    let mut live = BTreeMap::new();
    for fact in history {
        match fact {
            Fact::Planned { attempt, lane, .. } => drop(live.insert(attempt, lane)),
            Fact::Settled { attempt, .. } => drop(live.remove(attempt)),
            _ => {}
        }
        each(fact, &live)?;
    }
    Ok(())
}

pub(crate) fn lanes_are_not_overfilled(history: &[Fact]) -> Result<(), String> {
    live_after_each(history, |fact, live| {
        let Fact::Planned { attempt, lane, slots: Some(slots), .. } = fact else { return Ok(()) };
        let count = live.values().filter(|other| **other == lane).count();
        if count <= *slots as usize { Ok(()) } else { Err(format!("{attempt} is number {count} in {slots} slots")) }
    })
}

pub(crate) fn accounts_keep_their_limit(history: &[Fact], limit: usize) -> Result<(), String> {
    live_after_each(history, |fact, live| {
        let Fact::Planned { attempt, .. } = fact else { return Ok(()) };
        let count = live.keys().filter(|other| other.build.account == attempt.build.account).count();
        if count <= limit { Ok(()) } else { Err(format!("{attempt} is number {count} of its account")) }
    })
}

pub(crate) fn first_attempts_are_in_order(history: &[Fact]) -> Result<(), String> {
    history.iter().try_for_each(|fact| match fact {
        Fact::Planned { attempt, rank, waiting, .. } if attempt.number.get() == 1 => {
            match waiting.iter().find(|older| *older < rank) {
                Some(older) => Err(format!("{attempt} of rank {rank} starts before rank {older}")),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    })
}

pub(crate) fn no_lane_blocks_another(history: &[Fact]) -> Result<(), String> {
    history.iter().try_for_each(|fact| match fact {
        Fact::Idle { lane, build } => Err(format!("{build} waits although {lane} has room")),
        _ => Ok(()),
    })
}

pub(crate) fn customers_are_never_retried(history: &[Fact]) -> Result<(), String> {
    let mut failed = BTreeSet::new();
    history.iter().try_for_each(|fact| match fact {
        Fact::Settled { attempt, outcome: Outcome::Failed(failure), .. } if failure.owner() == Owner::Customer => {
            failed.insert(&attempt.build);
            Ok(())
        }
        Fact::Requeued { build } if failed.contains(build) => Err(format!("{build} failed for its customer")),
        _ => Ok(()),
    })
}

pub(crate) fn infrastructure_is_never_the_customers(history: &[Fact]) -> Result<(), String> {
    history.iter().try_for_each(|fact| match fact {
        Fact::Settled { attempt, outcome: Outcome::Failed(failure), customers: false, .. }
            if failure.owner() == Owner::Customer =>
        {
            Err(format!("{attempt} failed with {} and the customer did nothing", failure.cause))
        }
        Fact::Ended { build, ending: Ending::Failed { failure }, .. } if failure.cause == Cause::Internal => {
            Err(format!("{build} failed for a fault of the engine"))
        }
        _ => Ok(()),
    })
}

pub(crate) fn attempts_are_bounded(history: &[Fact], max: u32) -> Result<(), String> {
    history.iter().try_for_each(|fact| match fact {
        Fact::Planned { attempt, .. } if attempt.number.get() > max => Err(format!("{attempt} is over {max}")),
        _ => Ok(()),
    })
}

pub(crate) fn every_change_is_legal(history: &[Fact]) -> Result<(), String> {
    history.iter().try_for_each(|fact| match fact {
        Fact::Illegal { change } => Err(format!("the ledger refused {change}")),
        _ => Ok(()),
    })
}

pub(crate) fn deadlines_move_on(history: &[Fact]) -> Result<(), String> {
    history.iter().try_for_each(|fact| match fact {
        Fact::Ticked { next_after: Some(0) } => Err("the deadline is due again at once".to_owned()),
        _ => Ok(()),
    })
}
