//! What the ledger in memory holds, and what it decides: functions of their arguments, called under its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{
    AccountId, AttemptId, BuildId, BuildKey, BuildRecord, BuildState, DeployContext, DeployInfo, HolderId,
    IllegalChange, IllegalChangeKind, LeaderEpoch, Place, ProjectId, PublisherId, Rank, Timestamp,
};
use crate::port::{Activation, Admission, Batch, BuildQuery, Cursor, Deploy, Lead, LedgerError, Message};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) lease: Lease,
    records: BTreeMap<Rank, BuildRecord>,
    ranks: BTreeMap<BuildId, Rank>,
    cursors: BTreeMap<PublisherId, Place>,
    sites: BTreeMap<SiteKey, Site>,
}

/// What has one visible deploy.
type SiteKey = (AccountId, ProjectId, DeployContext);

#[derive(Debug)]
struct Site {
    /// The highest rank that was ever activated. It never falls, so that a deploy which a person made visible again does
    /// not open the way for builds older than the newest one.
    highest: Rank,
    current: Rank,
    deploys: BTreeMap<Rank, Deploy>,
}

impl State {
    pub(super) fn cursors(&self) -> Vec<Cursor> {
        self.cursors.values().map(|last| Cursor { last: last.clone() }).collect()
    }

    pub(super) fn open_builds(&self, after: Rank, max: usize) -> Vec<BuildRecord> {
        let is_open = |record: &&BuildRecord| !matches!(record.state, BuildState::Ended { .. });
        self.above(after).filter(is_open).take(max).cloned().collect()
    }

    pub(super) fn admit(
        &mut self,
        epoch: LeaderEpoch,
        batch: &[Message],
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Admission>, LedgerError> {
        self.lease.check(epoch)?;
        let fresh: BTreeSet<_> = batch.iter().map(|message| message.build.id).collect();
        let fresh = fresh.iter().filter(|id| !self.ranks.contains_key(id)).count();
        if self.records.len() + fresh > limit {
            return Err(LedgerError::Unavailable(format!("it is full at {limit} builds").into()));
        }
        Ok(batch.iter().map(|message| self.admit_one(message, now)).collect())
    }

    fn admit_one(&mut self, message: &Message, now: Timestamp) -> Admission {
        let Message { place, build } = message;
        let last = self.cursors.entry(place.publisher.clone()).or_insert_with(|| place.clone());
        if (last.epoch, last.seq) < (place.epoch, place.seq) {
            *last = place.clone();
        }
        if self.ranks.contains_key(&build.id) {
            return Admission::Duplicate;
        }
        let rank = Rank(self.records.last_key_value().map_or(1, |(last, _)| last.0 + 1));
        self.ranks.insert(build.id, rank);
        self.records.insert(rank, BuildRecord::admitted(build.clone(), place.clone(), rank, now));
        Admission::Admitted { rank }
    }

    pub(super) fn append(&mut self, batch: &Batch) -> Result<(), LedgerError> {
        self.lease.check(batch.epoch)?;
        let last = self.lease.last_batch;
        if batch.number == last && last > 0 {
            return Ok(());
        }
        if batch.number != last + 1 {
            return Err(LedgerError::BatchOrder { expected: last + 1, got: batch.number });
        }
        let mut changed = BTreeMap::new();
        for change in &batch.changes {
            let record = self.build(change.build()).ok_or_else(|| unknown(change.build()))?;
            changed.entry(record.rank).or_insert_with(|| record.clone()).apply(change)?;
        }
        self.records.append(&mut changed);
        self.lease.last_batch = batch.number;
        Ok(())
    }

    pub(super) fn activate(
        &mut self,
        epoch: LeaderEpoch,
        attempt: &AttemptId,
        now: Timestamp,
    ) -> Result<Activation, LedgerError> {
        self.lease.check(epoch)?;
        let mut record = self.build(&attempt.build).ok_or_else(|| unknown(&attempt.build))?.clone();
        if let Some(done) = Activation::earlier(&record, attempt.number) {
            return Ok(done);
        }
        let site = site_key(&record);
        let newer = self.sites.get(&site).map(|site| site.highest).filter(|highest| *highest > record.rank);
        record.activated(attempt.number, newer, now)?;
        if newer.is_none()
            && let Some(info) = record.deploy().cloned()
        {
            self.show(site, &record, info, now);
        }
        self.records.insert(record.rank, record);
        Ok(newer.map_or(Activation::Visible, |by| Activation::Superseded { by }))
    }

    pub(super) fn build(&self, key: &BuildKey) -> Option<&BuildRecord> {
        let rank = self.ranks.get(&key.build)?;
        self.records.get(rank).filter(|record| record.key() == *key)
    }

    pub(super) fn builds(&self, query: &BuildQuery) -> Vec<BuildRecord> {
        let fits = |record: &&BuildRecord| {
            let of_account = query.account.as_ref().is_none_or(|account| record.build.account == *account);
            let on_executor = query
                .executor
                .as_ref()
                .is_none_or(|executor| record.attempts.iter().any(|attempt| attempt.route.executor == *executor));
            of_account && on_executor && (query.since..query.until).contains(&record.admitted_at)
        };
        self.above(query.after).filter(fits).take(query.max).cloned().collect()
    }

    pub(super) fn deploys(&self, account: &AccountId, project: &ProjectId, context: &DeployContext) -> Vec<Deploy> {
        let key = (account.clone(), project.clone(), context.clone());
        let Some(site) = self.sites.get(&key) else { return Vec::new() };
        let mark = |deploy: &Deploy| Deploy { current: deploy.rank == site.current, ..deploy.clone() };
        site.deploys.values().rev().map(mark).collect()
    }

    pub(super) fn reactivate(&mut self, key: &BuildKey, now: Timestamp) -> Result<(), LedgerError> {
        let record = self.build(key).ok_or(LedgerError::NoDeploy)?.clone();
        let info = record.deploy().cloned().ok_or(LedgerError::NoDeploy)?;
        self.show(site_key(&record), &record, info, now);
        Ok(())
    }

    fn show(&mut self, site: SiteKey, record: &BuildRecord, info: DeployInfo, now: Timestamp) {
        let rank = record.rank;
        let empty = || Site { highest: rank, current: rank, deploys: BTreeMap::new() };
        let site = self.sites.entry(site).or_insert_with(empty);
        site.highest = site.highest.max(rank);
        site.current = rank;
        // The one field `current` of the site says which deploy is the visible one; a copy here would have to follow it.
        let deploy = Deploy { build: record.build.id, rank, info, activated_at: now, current: false };
        site.deploys.insert(rank, deploy);
    }

    fn above(&self, after: Rank) -> impl Iterator<Item = &BuildRecord> {
        self.records.range(Rank(after.0.saturating_add(1))..).map(|(_, record)| record)
    }
}

fn site_key(record: &BuildRecord) -> SiteKey {
    (record.build.account.clone(), record.build.project.clone(), record.build.context.clone())
}

fn unknown(key: &BuildKey) -> IllegalChange {
    IllegalChange { build: key.clone(), problem: IllegalChangeKind::UnknownBuild }
}

/// The leader lease, and how far the leader's batches came.
#[derive(Debug, Default)]
pub(super) struct Lease {
    epoch: LeaderEpoch,
    last_batch: u64,
    /// Who holds it, and until when by the monotonic clock.
    holder: Option<(HolderId, Duration)>,
}

impl Lease {
    pub(super) fn lead(&mut self, holder: &HolderId, ttl: Duration, now: Duration) -> Lead {
        match &self.holder {
            Some((by, until)) if *until > now && by != holder => {
                return Lead::Taken { by: by.clone(), left: *until - now };
            }
            Some((_, until)) if *until > now => {}
            _ => {
                self.epoch.0 += 1;
                self.last_batch = 0;
            }
        }
        self.holder = Some((holder.clone(), now.saturating_add(ttl)));
        Lead::Held { epoch: self.epoch }
    }

    pub(super) fn resign(&mut self, epoch: LeaderEpoch) {
        if epoch == self.epoch {
            self.holder = None;
        }
    }

    /// Only the newest epoch writes, and only one that was given out.
    fn check(&self, epoch: LeaderEpoch) -> Result<(), LedgerError> {
        if epoch == self.epoch && self.epoch.0 > 0 { Ok(()) } else { Err(LedgerError::Fenced { current: self.epoch }) }
    }
}
