//! The ledger of the world: records and what is visible.

use std::collections::BTreeMap;

use netbuild_core::model::{
    AccountId, AttemptId, BuildId, BuildRecord, BuildState, Change, Ending, ProjectId, Rank, Timestamp,
};
use netbuild_core::port::Activation;

use crate::desk::is_ended;
use crate::history::Fact;

#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) records: BTreeMap<Rank, BuildRecord>,
    ranks: BTreeMap<BuildId, Rank>,
    visible: BTreeMap<(AccountId, ProjectId), Rank>,
}

impl Ledger {
    pub(crate) fn next_rank(&self) -> Rank {
        Rank(self.records.len() as u64 + 1)
    }

    pub(crate) fn admit(&mut self, record: BuildRecord) {
        self.ranks.insert(record.build.id, record.rank);
        self.records.insert(record.rank, record);
    }

    pub(crate) fn record(&self, build: BuildId) -> &BuildRecord {
        &self.records[&self.ranks[&build]]
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = &BuildRecord> {
        self.records.values().filter(|record| !is_ended(record))
    }

    pub(crate) fn apply(&mut self, change: &Change) -> Result<&BuildRecord, String> {
        let rank = self.ranks[&change.build().build];
        let record = self.records.get_mut(&rank).expect("every rank has a record");
        match record.apply(change) {
            Ok(()) => Ok(record),
            Err(illegal) => Err(format!("{change:?}: {illegal}")),
        }
    }

    /// Activates, once; asked again it answers the same. The fact is that of the first time.
    pub(crate) fn activate(&mut self, attempt: &AttemptId, now: Timestamp) -> (Option<Activation>, Option<Fact>) {
        let rank = self.ranks[&attempt.build.build];
        let record = self.records.get_mut(&rank).expect("every rank has a record");
        match &record.state {
            BuildState::Ended { ending: Ending::Deployed { .. }, .. } => return (Some(Activation::Visible), None),
            BuildState::Ended { ending: Ending::Superseded { by, .. }, .. } => {
                return (Some(Activation::Superseded { by: *by }), None);
            }
            _ => {}
        }
        let site = (attempt.build.account.clone(), attempt.build.project.clone());
        let newer = self.visible.get(&site).copied().filter(|visible| *visible > rank);
        if let Err(illegal) = record.activated(attempt.number, newer, now) {
            return (None, Some(Fact::Illegal { change: format!("activate {attempt}: {illegal}") }));
        }
        let answer = match newer {
            Some(by) => Activation::Superseded { by },
            None => Activation::Visible,
        };
        self.visible.entry(site).or_insert(rank).clone_from(&newer.unwrap_or(rank));
        let BuildState::Ended { ending, .. } = record.state.clone() else { return (Some(answer), None) };
        (Some(answer), Some(Fact::Ended { build: record.key(), rank, ending }))
    }
}
