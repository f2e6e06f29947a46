//! The scheduler's figures, through the `metrics` facade: silent until the host installs a recorder.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `netbuild_builds_open` | gauge | `stage`: queued, live, activating |
//! | `netbuild_attempts_settled_total` | counter | `outcome`, `owner` |
//! | `netbuild_builds_ended_total` | counter | `ending` |
//! | `netbuild_drift` | gauge | `executor`: live attempts here less those it listed as alive |
//! | `netbuild_stale_inputs_total`, `netbuild_policy_violations_total`, `netbuild_order_gaps_total` | counter | |
//! | `netbuild_messages_held` | gauge | |

use metrics::{counter, gauge};

use crate::engine::EngineStats;
use crate::model::ExecutorName;
use crate::port::{Listing, Notice, Phase};

pub(super) fn of_notice(notice: &Notice) {
    match notice {
        Notice::Settled { report, .. } => {
            let owner = report.outcome.failure().map_or("none", |failure| failure.owner().label());
            let outcome = report.outcome.label();
            counter!("netbuild_attempts_settled_total", "outcome" => outcome, "owner" => owner).increment(1);
        }
        Notice::Ended { ending, .. } => {
            counter!("netbuild_builds_ended_total", "ending" => ending.label()).increment(1);
        }
        _ => {}
    }
}

pub(super) fn of_turn(stats: EngineStats, held: usize, gaps: u64) {
    gauge!("netbuild_builds_open", "stage" => "queued").set(stats.queued as f64);
    gauge!("netbuild_builds_open", "stage" => "live").set(stats.live as f64);
    gauge!("netbuild_builds_open", "stage" => "activating").set(stats.activating as f64);
    gauge!("netbuild_messages_held").set(held as f64);
    counter!("netbuild_stale_inputs_total").absolute(stats.stale_inputs);
    counter!("netbuild_policy_violations_total").absolute(stats.policy_violations);
    counter!("netbuild_order_gaps_total").absolute(gaps);
}

pub(super) fn of_listing(executor: &ExecutorName, listing: &Listing, live: usize) {
    let alive = listing.attempts.iter().filter(|seen| !matches!(seen.phase, Phase::Ended { .. })).count();
    gauge!("netbuild_drift", "executor" => executor.to_string()).set(live as f64 - alive as f64);
}
