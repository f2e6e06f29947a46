//! The driver that moves steps on.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::Timestamp;
use netbuild_core::port::Clock;
use tracing::{info, warn};

use super::{Guard, Health, Share, Steps};
use crate::store::{Change, Edit, Store, StoreError};
use crate::{Definition, Definitions, FlagKey, Percentage};

/// Who makes the changes, in the history.
const WHO: &str = "steps";

/// Moves the [`Steps`] of a store's flags on: each to its next percentage, once it stood at one for long enough and the
/// guard finds the flag well. Any number of processes may run one: a step is made for the revision that was looked at, so
/// none is made twice.
#[derive(Debug)]
pub struct Stepper {
    store: Arc<dyn Store>,
    guard: Arc<dyn Guard>,
    clock: Arc<dyn Clock>,
}

/// What became of a step that was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// The flag.
    pub flag: FlagKey,
    /// The percentage at which it stood.
    pub from: Percentage,
    /// The percentage at which it stands now.
    pub to: Percentage,
    /// What the guard said.
    pub health: Health,
}

impl Stepper {
    /// A stepper of a store's flags by a guard.
    pub fn new(store: Arc<dyn Store>, guard: Arc<dyn Guard>, clock: Arc<dyn Clock>) -> Self {
        Stepper { store, guard, clock }
    }

    /// Asks the guard about each flag with a step that is due, and makes the steps that it lets pass.
    ///
    /// # Errors
    /// [`StoreError`]; one that was [overtaken](StoreError::Conflict) is looked at again the next time.
    pub async fn step(&self) -> Result<Vec<Stepped>, StoreError> {
        let mut stepped = Vec::new();
        let mut asked = Vec::new();
        // Each step is a change of its own, thought out for what is there then.
        while let Some((revision, due)) = self.next_due(&asked).await? {
            asked.push(due.name());
            let Due { flag, steps, next, .. } = &due;
            let health = self.guard.check(flag, steps.now(), steps.since).await;
            let to = match &health {
                Health::Healthy(why) => {
                    let why = format!("{} to {}: {why}", steps.now(), next.now());
                    let edit = Edit::SetFlag(flag.clone(), due.definition());
                    self.store.change(Change::new(WHO, why, vec![edit]).of_revision(revision)).await?;
                    next.now()
                }
                Health::Unhealthy(_) => steps.now(),
            };
            stepped.push(Stepped { flag: flag.clone(), from: steps.now(), to, health });
        }
        Ok(stepped)
    }

    async fn next_due(&self, asked: &[(FlagKey, bool)]) -> Result<Option<(u64, Due)>, StoreError> {
        let loaded = self.store.load().await.map_err(|error| StoreError::Unavailable(error.into()))?;
        let mut due = due(&loaded.definitions, self.clock.now());
        Ok(due.find(|due| !asked.contains(&due.name())).map(|due| (loaded.revision.unwrap_or(0), due)))
    }

    /// Makes steps until it is dropped, looking every so often.
    pub async fn run(self, every: Duration) {
        loop {
            match self.step().await {
                Ok(stepped) => stepped.iter().for_each(|Stepped { flag, from, to, health }| match health {
                    Health::Healthy(why) => info!(%flag, %from, %to, why, "flags: a step"),
                    Health::Unhealthy(why) => warn!(%flag, at = %from, why, "flags: no step"),
                }),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => warn!(%error, "flags: steps cannot be made now"),
            }
            tokio::time::sleep(every).await;
        }
    }
}

/// Steps that may move on.
struct Due {
    flag: FlagKey,
    before: Definition,
    of_accounts: bool,
    steps: Steps,
    next: Steps,
}

impl Due {
    fn name(&self) -> (FlagKey, bool) {
        (self.flag.clone(), self.of_accounts)
    }

    /// The flag with the next step.
    fn definition(&self) -> Definition {
        let mut definition = self.before.clone();
        let next = Share::Steps(self.next.clone());
        if self.of_accounts {
            definition.accounts_share = next;
        } else {
            definition.projects_share = next;
        }
        definition
    }
}

fn due(definitions: &Definitions, now: Timestamp) -> impl Iterator<Item = Due> {
    // What is killed shows nothing of how it would do.
    let alive = definitions.flags.iter().filter(|(_, definition)| !definition.kill);
    alive.flat_map(move |(flag, before)| {
        [(true, &before.accounts_share), (false, &before.projects_share)].into_iter().filter_map(
            move |(of_accounts, share)| {
                let Share::Steps(steps) = share else { return None };
                let (flag, before, steps) = (flag.clone(), before.clone(), steps.clone());
                steps.advanced(now).map(|next| Due { flag, before, of_accounts, steps, next })
            },
        )
    })
}
