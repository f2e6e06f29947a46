//! Ledgers that are wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::memory::MemoryLedger;
use netbuild_core::model::{
    AccountId, AttemptId, BuildId, BuildKey, BuildRecord, BuildState, Change, DeployContext, Ending, HolderId,
    IllegalChangeKind, LeaderEpoch, NameKey, Place, ProjectId, PublisherId, Rank, Timestamp,
};
use netbuild_core::port::{
    Activation, Admission, Batch, BuildQuery, Cursor, Deploy, History, Lead, LeaderLease, Ledger, LedgerError, Message,
};
use netbuild_core::testkit::ManualClock;

use super::Faulty;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    LeadsWithEverybody,
    RenewalStartsAnew,
    RenewalKeepsTheEnd,
    EpochStands,
    EpochIsTheHolders,
    IgnoresResign,
    AnybodyResigns,
    AdmitsBackwards,
    DropsSecrets,
    AdmitsAgain,
    AdmitsAgainForOthers,
    RefusesLateMessages,
    CursorIsTheLast,
    CursorIgnoresEpochs,
    CursorSkipsDuplicates,
    AdmitsUnfenced,
    RefusesEmptyBatches,
    DropsTheLastChange,
    NumbersBatchesItself,
    TakesBatchZeroForRepeated,
    NumbersGoOnAcrossEpochs,
    AppendsOneByOne,
    SwallowsIllegalChanges,
    RefusedBatchTakesItsNumber,
    CancelsWhatEnded,
    IgnoresAttemptNumbers,
    AppendsDeployed,
    SkipsUnknownBuilds,
    FindsByIdAlone,
    AppendsUnfenced,
    LooksForRepeatsBeforeTheFence,
    ActivatesNothing,
    FirstDeployStays,
    OlderReplacesNewer,
    ActivatesOnceOnly,
    ForgetsWhatSuperseded,
    MixesContexts,
    MixesProjects,
    MixesAccounts,
    SwallowsIllegalActivations,
    ActivatesUnfenced,
    IgnoresReactivate,
    ReactivatesNoSuperseded,
    ReactivateLowersTheMark,
    SwallowsNoDeploy,
    IgnoresAfter,
    IgnoresMax,
    OrdersById,
    OpenHoldsWhatEnded,
    PagesBeforeItFilters,
    IgnoresAccount,
    IgnoresExecutor,
    IgnoresSince,
    IgnoresUntil,
    GivesOldestDeployFirst,
    DatesDeploysByAdmission,
    MakesAKeyEachTime,
    ForgetsOnReopen,
    ForgetsTheMarkOnReopen,
    ForgetsBatchNumberOnReopen,
}
use Fault::*;

#[derive(Debug)]
pub(crate) struct FaultyLedger {
    fault: Option<Fault>,
    clock: ManualClock,
    inner: Mutex<Arc<MemoryLedger>>,
    notes: Mutex<Notes>,
}

/// What a wrong ledger remembers in the wrong way.
#[derive(Debug, Default)]
struct Notes {
    /// The newest epoch of the inner ledger, and its batches when this one numbers them.
    epoch: LeaderEpoch,
    written: u64,
    holder: Option<HolderId>,
    keys: BTreeMap<BuildId, BuildKey>,
    cursors: BTreeMap<PublisherId, Place>,
    /// Batches that were written or refused.
    seen: BTreeSet<(LeaderEpoch, u64)>,
    highest: BTreeMap<String, Rank>,
    activated: Vec<AttemptId>,
    mark_is_low: bool,
    keys_made: u8,
    reopened: bool,
}

impl Faulty for FaultyLedger {
    type Port = dyn Ledger;
    type Fault = Fault;

    fn new(fault: Option<Fault>, clock: ManualClock) -> Self {
        let inner = Mutex::new(fresh(&clock));
        FaultyLedger { fault, clock, inner, notes: Mutex::default() }
    }

    fn port(self: Arc<Self>) -> Arc<dyn Ledger> {
        self
    }

    fn reopened(&self) {
        match self.fault {
            Some(ForgetsOnReopen) => *self.inner.lock().unwrap() = fresh(&self.clock),
            Some(ForgetsTheMarkOnReopen) => self.notes(|notes| notes.mark_is_low = true),
            _ => {}
        }
        self.notes(|notes| notes.reopened = true);
    }
}

fn fresh(clock: &ManualClock) -> Arc<MemoryLedger> {
    Arc::new(MemoryLedger::new(100, Arc::new(clock.clone())))
}

impl FaultyLedger {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn inner(&self) -> Arc<MemoryLedger> {
        self.inner.lock().unwrap().clone()
    }

    fn notes<T>(&self, act: impl FnOnce(&mut Notes) -> T) -> T {
        act(&mut self.notes.lock().unwrap())
    }

    /// The newest epoch where the fence is ignored.
    fn epoch(&self, epoch: LeaderEpoch, unfenced: Fault) -> LeaderEpoch {
        if self.has(unfenced) { self.notes(|notes| notes.epoch) } else { epoch }
    }

    /// The key as the ledger finds it: without looking at the tenant, if that is its fault.
    fn key(&self, key: &BuildKey) -> BuildKey {
        let by_id = self.notes(|notes| notes.keys.get(&key.build).cloned());
        by_id.filter(|_| self.has(FindsByIdAlone)).unwrap_or_else(|| key.clone())
    }

    async fn attempt(&self, attempt: &AttemptId) -> Result<AttemptId, LedgerError> {
        let mut attempt = AttemptId { build: self.key(&attempt.build), ..attempt.clone() };
        let record = self.inner().build(&attempt.build).await?;
        if let Some(last) = record.and_then(|record| record.attempts.last().map(|last| last.number))
            && self.has(IgnoresAttemptNumbers)
        {
            attempt.number = last;
        }
        Ok(attempt)
    }

    async fn change(&self, change: &Change) -> Result<Change, LedgerError> {
        let mut change = change.clone();
        match &mut change {
            Change::Planned { attempt, .. } => attempt.build = self.key(&attempt.build),
            Change::Settled { attempt, .. } => *attempt = self.attempt(attempt).await?,
            _ => {}
        }
        Ok(change)
    }

    /// Writes changes as the batch that comes next by this wrapper's own count.
    async fn write(&self, changes: Vec<Change>) -> Result<(), LedgerError> {
        let (epoch, number) = self.notes(|notes| (notes.epoch, notes.written + 1));
        self.inner().append(&Batch { epoch, number, changes }).await?;
        self.notes(|notes| notes.written = number);
        Ok(())
    }

    /// Where a deploy becomes visible, by a key that is too short.
    fn mixed(&self, record: &BuildRecord) -> Option<String> {
        let BuildKey { account, project, .. } = record.key();
        let context = &record.build.context;
        match self.fault {
            Some(MixesContexts) => Some(format!("{account}/{project}")),
            Some(MixesProjects) => Some(format!("{account}/{context}")),
            Some(MixesAccounts) => Some(format!("{project}/{context}")),
            _ => None,
        }
    }
}

#[async_trait]
impl LeaderLease for FaultyLedger {
    async fn lead(&self, holder: &HolderId, ttl: Duration) -> Result<Lead, LedgerError> {
        let (epoch, is_holder) = self.notes(|notes| (notes.epoch, notes.holder.as_ref() == Some(holder)));
        let give_back = match self.fault {
            Some(LeadsWithEverybody) => true,
            Some(RenewalStartsAnew) => is_holder,
            _ => false,
        };
        if give_back {
            self.inner().resign(epoch).await?;
        }
        if self.has(RenewalKeepsTheEnd) && is_holder {
            return Ok(Lead::Held { epoch });
        }
        let lead = self.inner().lead(holder, ttl).await?;
        if let Lead::Held { epoch: new } = lead {
            self.notes(|notes| {
                notes.written = if new == notes.epoch { notes.written } else { 0 };
                notes.epoch = new;
                notes.holder = Some(holder.clone());
            });
            if self.has(EpochStands) || (self.has(EpochIsTheHolders) && is_holder) {
                return Ok(Lead::Held { epoch: LeaderEpoch(1) });
            }
        }
        Ok(lead)
    }

    async fn resign(&self, epoch: LeaderEpoch) -> Result<(), LedgerError> {
        if self.has(IgnoresResign) {
            return Ok(());
        }
        self.inner().resign(self.epoch(epoch, AnybodyResigns)).await
    }
}

#[async_trait]
impl Ledger for FaultyLedger {
    async fn name_key(&self) -> Result<NameKey, LedgerError> {
        if self.has(MakesAKeyEachTime) {
            let n = self.notes(|notes| {
                notes.keys_made += 1;
                notes.keys_made
            });
            return Ok(NameKey::new([n; 32]));
        }
        self.inner().name_key().await
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, LedgerError> {
        if matches!(self.fault, Some(CursorIsTheLast | CursorIgnoresEpochs | CursorSkipsDuplicates)) {
            return Ok(self.notes(|notes| notes.cursors.values().map(|last| Cursor { last: last.clone() }).collect()));
        }
        self.inner().cursors().await
    }

    async fn open_builds(&self, after: Rank, max: usize) -> Result<Vec<BuildRecord>, LedgerError> {
        let after = if self.has(IgnoresAfter) { Rank::default() } else { after };
        let max = if self.has(IgnoresMax) { usize::MAX } else { max };
        let query = BuildQuery { after, max, ..BuildQuery::default() };
        let is_open = |record: &BuildRecord| !matches!(record.state, BuildState::Ended { .. });
        match self.fault {
            Some(OpenHoldsWhatEnded) => self.inner().builds(&query).await,
            Some(PagesBeforeItFilters) => Ok(self.inner().builds(&query).await?.into_iter().filter(is_open).collect()),
            Some(OrdersById) => Ok(by_id(self.inner().open_builds(after, max).await?)),
            _ => self.inner().open_builds(after, max).await,
        }
    }

    async fn admit(&self, epoch: LeaderEpoch, batch: &[Message]) -> Result<Vec<Admission>, LedgerError> {
        let epoch = self.epoch(epoch, AdmitsUnfenced);
        let mut altered = batch.to_vec();
        let mut late = false;
        for message in &mut altered {
            if self.has(DropsSecrets) {
                message.build.spec.secrets.clear();
            }
            let is_known = self.notes(|notes| notes.keys.contains_key(&message.build.id));
            self.notes(|notes| {
                notes.keys.entry(message.build.id).or_insert_with(|| message.build.key());
                let last =
                    notes.cursors.entry(message.place.publisher.clone()).or_insert_with(|| message.place.clone());
                late |= message.place < *last;
                let skipped = is_known && self.has(CursorSkipsDuplicates);
                if self.has(CursorIsTheLast) || (last.seq < message.place.seq && !skipped) {
                    *last = message.place.clone();
                }
            });
        }
        match self.fault {
            Some(RefusesEmptyBatches) if batch.is_empty() => Err(LedgerError::Unavailable("nothing to do".into())),
            Some(RefusesLateMessages) if late => Ok(vec![Admission::Duplicate; batch.len()]),
            Some(AdmitsBackwards) => {
                altered.reverse();
                let mut answers = self.inner().admit(epoch, &altered).await?;
                answers.reverse();
                Ok(answers)
            }
            Some(AdmitsAgain | AdmitsAgainForOthers) => {
                let mut answers = self.inner().admit(epoch, &altered).await?;
                for (message, answer) in altered.iter().zip(&mut answers) {
                    let known = self.inner().build(&message.build.key()).await?.is_some();
                    if *answer == Admission::Duplicate && known == self.has(AdmitsAgain) {
                        *answer = Admission::Admitted { rank: Rank(1_000) };
                    }
                }
                Ok(answers)
            }
            _ => self.inner().admit(epoch, &altered).await,
        }
    }

    async fn append(&self, batch: &Batch) -> Result<(), LedgerError> {
        let mut batch = batch.clone();
        batch.epoch = self.epoch(batch.epoch, AppendsUnfenced);
        let id = (batch.epoch, batch.number);
        let is_known = self.notes(|notes| notes.seen.contains(&id));
        let newest = self.notes(|notes| notes.seen.iter().map(|(_, number)| *number).max().unwrap_or(0));
        match self.fault {
            Some(TakesBatchZeroForRepeated) if batch.number == 0 => return Ok(()),
            Some(NumbersGoOnAcrossEpochs) if batch.number <= newest => return Ok(()),
            Some(RefusedBatchTakesItsNumber | LooksForRepeatsBeforeTheFence) if is_known => return Ok(()),
            Some(ForgetsBatchNumberOnReopen) if self.notes(|notes| notes.reopened) => {
                return Err(LedgerError::BatchOrder { expected: 1, got: batch.number });
            }
            _ => {}
        }
        self.notes(|notes| notes.seen.insert(id));
        for change in &mut batch.changes {
            *change = self.change(change).await?;
        }
        match self.fault {
            Some(DropsTheLastChange) => drop(batch.changes.pop()),
            Some(NumbersBatchesItself) => return self.write(batch.changes).await,
            Some(AppendsOneByOne) => {
                for change in batch.changes {
                    self.write(vec![change]).await?;
                }
                return Ok(());
            }
            Some(SkipsUnknownBuilds) => {
                let known = self.notes(|notes| notes.keys.clone());
                batch.changes.retain(|change| known.contains_key(&change.build().build));
            }
            Some(AppendsDeployed) => {
                if let [Change::Ended { build, ending: Ending::Deployed { .. }, .. }] = &batch.changes[..] {
                    let last = self.inner().build(build).await?.and_then(|record| record.attempts.last().cloned());
                    let attempt = build.attempt(last.map(|last| last.number).unwrap());
                    return self.inner().activate(batch.epoch, &attempt).await.map(drop);
                }
            }
            _ => {}
        }
        let only_cancels = batch.changes.iter().all(|change| matches!(change, Change::CancelAsked { .. }));
        match self.inner().append(&batch).await {
            Err(LedgerError::Illegal(_)) if self.has(SwallowsIllegalChanges) => Ok(()),
            Err(LedgerError::Illegal(illegal))
                if self.has(CancelsWhatEnded) && only_cancels && illegal.problem == IllegalChangeKind::BuildEnded =>
            {
                Ok(())
            }
            answer => answer,
        }
    }

    async fn activate(&self, epoch: LeaderEpoch, attempt: &AttemptId) -> Result<Activation, LedgerError> {
        let epoch = self.epoch(epoch, ActivatesUnfenced);
        let attempt = self.attempt(attempt).await?;
        let repeated = self.notes(|notes| notes.activated.contains(&attempt));
        match self.fault {
            Some(ActivatesNothing) => return Ok(Activation::Visible),
            Some(ForgetsWhatSuperseded) if repeated => return Ok(Activation::Visible),
            Some(ActivatesOnceOnly) if repeated => {
                return self.inner().activate(epoch, &attempt.build.attempt(attempt.number.next())).await;
            }
            _ => {}
        }
        if let Some(record) = self.inner().build(&attempt.build).await?
            && let Some(place) = self.mixed(&record)
        {
            let highest = self.notes(|notes| {
                let highest = notes.highest.entry(place).or_insert(record.rank);
                *highest = record.rank.max(*highest);
                *highest
            });
            if highest > record.rank {
                return Ok(Activation::Superseded { by: highest });
            }
        }
        let answer = match self.inner().activate(epoch, &attempt).await {
            Err(LedgerError::Illegal(_)) if self.has(SwallowsIllegalActivations) => Ok(Activation::Visible),
            answer => answer,
        }?;
        let first = self.notes(|notes| {
            notes.activated.push(attempt.clone());
            notes.activated[0].build.clone()
        });
        let mark_is_low = self.notes(|notes| notes.mark_is_low);
        match (answer, self.fault) {
            (_, Some(FirstDeployStays)) => self.inner().reactivate(&first).await?,
            (Activation::Superseded { .. }, Some(OlderReplacesNewer)) => {
                self.inner().reactivate(&attempt.build).await?;
                return Ok(Activation::Visible);
            }
            (Activation::Superseded { .. }, _) if mark_is_low => {
                self.inner().reactivate(&attempt.build).await?;
                return Ok(Activation::Visible);
            }
            _ => {}
        }
        Ok(answer)
    }
}

#[async_trait]
impl History for FaultyLedger {
    async fn build(&self, key: &BuildKey) -> Result<Option<BuildRecord>, LedgerError> {
        self.inner().build(&self.key(key)).await
    }

    async fn builds(&self, query: &BuildQuery) -> Result<Vec<BuildRecord>, LedgerError> {
        let mut query = query.clone();
        match self.fault {
            Some(IgnoresAccount) => query.account = None,
            Some(IgnoresExecutor) => query.executor = None,
            Some(IgnoresSince) => query.since = Timestamp::EPOCH,
            Some(IgnoresUntil) => query.until = Timestamp::from_millis(u64::MAX),
            Some(IgnoresAfter) => query.after = Rank::default(),
            Some(IgnoresMax) => query.max = usize::MAX,
            _ => {}
        }
        let found = self.inner().builds(&query).await?;
        Ok(if self.has(OrdersById) { by_id(found) } else { found })
    }

    async fn deploys(
        &self,
        account: &AccountId,
        project: &ProjectId,
        context: &DeployContext,
    ) -> Result<Vec<Deploy>, LedgerError> {
        let mut deploys = self.inner().deploys(account, project, context).await?;
        match self.fault {
            Some(GivesOldestDeployFirst) => deploys.reverse(),
            Some(DatesDeploysByAdmission) => {
                let records = self.inner().builds(&BuildQuery::default()).await?;
                for deploy in &mut deploys {
                    let record = records.iter().find(|record| record.rank == deploy.rank).unwrap();
                    deploy.activated_at = record.admitted_at;
                }
            }
            _ => {}
        }
        Ok(deploys)
    }

    async fn reactivate(&self, key: &BuildKey) -> Result<(), LedgerError> {
        let record = self.inner().build(key).await?;
        let superseded = record
            .is_some_and(|record| matches!(record.state, BuildState::Ended { ending: Ending::Superseded { .. }, .. }));
        match self.fault {
            Some(IgnoresReactivate) => return Ok(()),
            Some(ReactivatesNoSuperseded) if superseded => return Err(LedgerError::NoDeploy),
            Some(ReactivateLowersTheMark) => self.notes(|notes| notes.mark_is_low = true),
            _ => {}
        }
        match self.inner().reactivate(key).await {
            Err(LedgerError::NoDeploy) if self.has(SwallowsNoDeploy) => Ok(()),
            answer => answer,
        }
    }
}

fn by_id(mut records: Vec<BuildRecord>) -> Vec<BuildRecord> {
    records.sort_by_key(|record| record.build.id);
    records
}
