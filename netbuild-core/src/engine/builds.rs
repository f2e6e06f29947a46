//! The open builds: found by rank and by id, with a timer each. Every change of a build goes through here, so that timers,
//! counts and lanes follow by themselves, and a step looks a build up once.

use std::collections::btree_map::{Entry as Slot, OccupiedEntry};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entry::{Entry, Live, NEVER, Stage};
use super::turn::{Standing, Turn};
use crate::model::{AttemptId, Build, BuildId, BuildKey, Rank, Timestamp};
use crate::port::Notice;

/// All builds that are not over.
#[derive(Debug, Default)]
pub(super) struct Builds {
    entries: BTreeMap<Rank, Box<Entry>>,
    ranks: BTreeMap<BuildId, Rank>,
    timers: BTreeSet<(Timestamp, Rank)>,
}

impl Builds {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The build with this key, whole.
    pub(super) fn get(&self, key: &BuildKey) -> Option<&Entry> {
        let entry = self.entries.get(self.ranks.get(&key.build)?)?;
        entry.is_of(key).then_some(entry)
    }

    /// The live attempt with this id.
    pub(super) fn live(&self, attempt: &AttemptId) -> Option<&Live> {
        self.get(&attempt.build)?.live().filter(|live| live.number == attempt.number)
    }

    /// When something is due for a build next.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(super) fn admit(&mut self, build: Arc<Build>, rank: Rank, turn: &mut Turn<'_>) {
        let lane = turn.router.route(&build, &[]).executor;
        let entry = Entry::new(build, rank, lane, Stage::Queued { since: turn.at });
        let admitted = self.insert(entry, turn, |entry, turn| {
            turn.out.notify.push(Notice::Admitted { build: entry.key() });
            turn.join_lane(entry);
        });
        if !admitted {
            turn.shared.stats.stale_inputs += 1;
        }
    }

    /// Takes a build in, unless it or its rank is there; then lets happen to it what follows.
    pub(super) fn insert(
        &mut self,
        entry: Entry,
        turn: &mut Turn<'_>,
        then: impl FnOnce(&mut Entry, &mut Turn<'_>),
    ) -> bool {
        let (id, rank) = (entry.build().id, entry.queued.rank);
        let (Slot::Vacant(by_id), Slot::Vacant(by_rank)) = (self.ranks.entry(id), self.entries.entry(rank)) else {
            return false;
        };
        let mut entry = Box::new(entry);
        then(&mut entry, turn);
        follow(&mut entry, Standing::Nowhere, turn, &mut self.timers);
        if !entry.is_over() {
            by_id.insert(rank);
            by_rank.insert(entry);
        }
        true
    }

    /// Changes the build of a rank; one that is over after it is forgotten. `None`: there is none.
    pub(super) fn change<T>(
        &mut self,
        rank: Rank,
        turn: &mut Turn<'_>,
        change: impl FnOnce(&mut Entry, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let Slot::Occupied(by_rank) = self.entries.entry(rank) else { return None };
        let (answer, over) = carry_out(by_rank, turn, &mut self.timers, change);
        if let Some(over) = over {
            self.ranks.remove(&over.build().id);
        }
        Some(answer)
    }

    /// An input about a build, which says itself whether it fits the build as it stands. One that does not, or is about a
    /// build that is not there, is counted as stale.
    pub(super) fn input(
        &mut self,
        key: &BuildKey,
        turn: &mut Turn<'_>,
        input: impl FnOnce(&mut Entry, &mut Turn<'_>) -> bool,
    ) -> bool {
        let fits = match self.ranks.entry(key.build) {
            Slot::Vacant(_) => false,
            Slot::Occupied(by_id) => match self.entries.entry(*by_id.get()) {
                Slot::Occupied(by_rank) if by_rank.get().is_of(key) => {
                    let (fits, over) = carry_out(by_rank, turn, &mut self.timers, input);
                    if over.is_some() {
                        by_id.remove();
                    }
                    fits
                }
                _ => false,
            },
        };
        turn.shared.stats.stale_inputs += u64::from(!fits);
        fits
    }

    /// An input about the live attempt of a build.
    pub(super) fn live_input(
        &mut self,
        attempt: &AttemptId,
        turn: &mut Turn<'_>,
        input: impl FnOnce(&mut Entry, &mut Turn<'_>),
    ) -> bool {
        self.input(&attempt.build, turn, |entry, turn| {
            let fits = entry.live().is_some_and(|live| live.number == attempt.number);
            if fits {
                input(entry, turn);
            }
            fits
        })
    }

    /// Does everything that is due.
    pub(super) fn do_what_is_due(&mut self, turn: &mut Turn<'_>) {
        while let Some((_, rank)) = self.timers.first().copied().filter(|(at, _)| *at <= turn.at) {
            self.timers.pop_first();
            self.change(rank, turn, |entry, turn| {
                entry.timer = NEVER;
                match entry.stage {
                    Stage::Waiting { .. } | Stage::Queued { .. } => turn.waiting_due(entry),
                    Stage::Live(_) => turn.live_due(entry),
                    Stage::Activating(_) => turn.activate(entry),
                    Stage::Over => {}
                }
            });
        }
    }

    /// Routes the whole backlog again when the router's answers may have changed.
    pub(super) fn follow_router(&mut self, turn: &mut Turn<'_>) {
        let version = turn.router.version();
        if turn.shared.router_version.replace(version).is_none_or(|before| before == version) {
            return;
        }
        let queued = self.entries.iter().filter(|(_, entry)| matches!(entry.stage, Stage::Queued { .. }));
        let queued: Vec<Rank> = queued.map(|(rank, _)| *rank).collect();
        for rank in queued {
            self.change(rank, turn, |entry, turn| {
                turn.leave_lane(entry);
                turn.enter_lane(entry);
            });
        }
    }
}

fn carry_out<T>(
    mut by_rank: OccupiedEntry<'_, Rank, Box<Entry>>,
    turn: &mut Turn<'_>,
    timers: &mut BTreeSet<(Timestamp, Rank)>,
    change: impl FnOnce(&mut Entry, &mut Turn<'_>) -> T,
) -> (T, Option<Box<Entry>>) {
    let entry = by_rank.get_mut();
    let before = Standing::of(entry);
    let answer = change(entry, turn);
    follow(entry, before, turn, timers);
    let over = entry.is_over();
    (answer, over.then(|| by_rank.remove()))
}

/// Timer, counts and lane follow a build that changed.
fn follow(entry: &mut Entry, before: Standing, turn: &mut Turn<'_>, timers: &mut BTreeSet<(Timestamp, Rank)>) {
    turn.shared.moved(entry, before, Standing::of(entry));
    let due = entry.due(&turn.shared.config).unwrap_or(NEVER);
    let timer = std::mem::replace(&mut entry.timer, due);
    if timer == due {
        return;
    }
    if timer != NEVER {
        timers.remove(&(timer, entry.queued.rank));
    }
    if due != NEVER {
        timers.insert((due, entry.queued.rank));
    }
}
