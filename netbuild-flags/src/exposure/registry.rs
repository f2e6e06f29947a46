//! The counts of all threads together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use netbuild_core::model::{AccountId, Timestamp};

use super::busiest::KEPT;
use super::count::Count;
use super::frequency::Frequency;
use crate::subject::Subject;
use crate::{FlagKey, Snapshot};

/// How often flags were evaluated, and for whom.
#[derive(Debug, Default)]
pub struct Exposure(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    sheets: Vec<Arc<Sheet>>,
    /// What those counted that are gone.
    gone: Option<Sheet>,
    seen: BTreeMap<FlagKey, Seen>,
}

/// When a flag was last seen to have been evaluated more often than before.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    evaluations: u64,
    last: Option<Timestamp>,
}

/// What one thread counts.
struct Sheet {
    frequency: Frequency,
    counts: ArcSwap<BTreeMap<FlagKey, Arc<Count>>>,
}

/// How often a flag was evaluated, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagExposure {
    /// The flag.
    pub flag: FlagKey,
    /// How often it was on.
    pub on: u64,
    /// How often it was off.
    pub off: u64,
    /// For how many accounts, about: see [`exposure`](crate::exposure).
    pub distinct_accounts: u64,
    /// The accounts for which it was evaluated most often, at most 64, the busiest first.
    pub busiest: Vec<BusyAccount>,
    /// When it was last evaluated, as exactly as [`Exposure::observe`] is called often.
    pub last: Option<Timestamp>,
}

/// An account and how often a flag was evaluated for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusyAccount {
    /// The account.
    pub account: AccountId,
    /// How often, at most.
    pub evaluations: u64,
}

impl Exposure {
    /// Looks which flags were evaluated since it last looked, and notes `now` for them. Whoever watches a source calls
    /// it every second, so that evaluations need not read a clock.
    pub fn observe(&self, now: Timestamp) {
        let mut registry = self.registry();
        let totals = registry.totals();
        for (flag, (on, off)) in totals {
            let seen = registry.seen.entry(flag).or_default();
            if seen.evaluations != on + off {
                *seen = Seen { evaluations: on + off, last: Some(now) };
            }
        }
    }

    /// All flags that were ever evaluated or ready to be, by key.
    pub fn report(&self) -> Vec<FlagExposure> {
        let registry = self.registry();
        let whole = registry.whole();
        let counts = whole.counts.load();
        counts.values().map(|count| registry.exposure(count, &whole)).collect()
    }

    /// One flag; `None` if it never was ready to be evaluated.
    pub fn flag(&self, flag: &FlagKey) -> Option<FlagExposure> {
        let registry = self.registry();
        let whole = registry.whole();
        let counts = whole.counts.load();
        counts.get(flag).map(|count| registry.exposure(count, &whole))
    }

    /// How often a flag was evaluated for an account, at most: see [`exposure`](crate::exposure).
    pub fn of_account(&self, flag: &FlagKey, account: &AccountId) -> u64 {
        let registry = self.registry();
        let sheets = registry.sheets.iter().map(Arc::as_ref).chain(&registry.gone);
        sheets.map(|sheet| u64::from(sheet.of(flag, account))).sum()
    }

    /// Of how many threads it holds counts apart: those that count, those that ended since the last began to, and one for
    /// all before. Each takes some 390 KiB, and 6 KiB a flag.
    pub fn sheets(&self) -> usize {
        let registry = self.registry();
        registry.sheets.len() + usize::from(registry.gone.is_some())
    }

    pub(crate) fn recorder(&self) -> Recorder {
        let sheet = Arc::new(Sheet::new());
        let mut registry = self.registry();
        registry.bury();
        registry.sheets.push(sheet.clone());
        Recorder { sheet, counts: Vec::new(), version: 0 }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Adds the sheets that nobody writes any more to what is gone, so that threads that come and go cost no memory.
    fn bury(&mut self) {
        let (gone, live) = self.sheets.drain(..).partition::<Vec<_>, _>(|sheet| Arc::strong_count(sheet) == 1);
        self.sheets = live;
        for sheet in gone {
            self.gone.get_or_insert_with(Sheet::new).absorb(&sheet);
        }
    }

    /// The counts of on and off, without the rest.
    fn totals(&self) -> BTreeMap<FlagKey, (u64, u64)> {
        let mut totals = BTreeMap::new();
        for sheet in self.sheets.iter().map(Arc::as_ref).chain(&self.gone) {
            for (flag, count) in &**sheet.counts.load() {
                let total: &mut (u64, u64) = totals.entry(flag.clone()).or_default();
                *total = (total.0 + count.on(), total.1 + count.off());
            }
        }
        totals
    }

    /// All sheets as one.
    fn whole(&self) -> Sheet {
        let whole = Sheet::new();
        for sheet in self.sheets.iter().map(Arc::as_ref).chain(&self.gone) {
            whole.absorb(sheet);
        }
        whole
    }

    fn exposure(&self, count: &Count, whole: &Sheet) -> FlagExposure {
        let busy = |account: AccountId| {
            let evaluations = u64::from(count.of(&account, &whole.frequency));
            BusyAccount { account, evaluations }
        };
        let mut busiest: Vec<BusyAccount> = count.accounts().into_iter().map(busy).collect();
        busiest.sort_by(|a, b| b.evaluations.cmp(&a.evaluations).then_with(|| a.account.cmp(&b.account)));
        busiest.truncate(KEPT);
        FlagExposure {
            flag: count.key.clone(),
            on: count.on(),
            off: count.off(),
            distinct_accounts: count.distinct(),
            busiest,
            last: self.seen.get(&count.key).and_then(|seen| seen.last),
        }
    }
}

impl Sheet {
    fn new() -> Self {
        Sheet { frequency: Frequency::new(), counts: ArcSwap::default() }
    }

    /// Counts for these flags too.
    fn extend<'k>(&self, keys: impl Iterator<Item = &'k FlagKey>) {
        let mut counts = BTreeMap::clone(&self.counts.load());
        for key in keys {
            counts.entry(key.clone()).or_insert_with(|| Arc::new(Count::new(key)));
        }
        self.counts.store(Arc::new(counts));
    }

    fn absorb(&self, other: &Sheet) {
        self.frequency.absorb(&other.frequency);
        let others = other.counts.load();
        self.extend(others.keys());
        let own = self.counts.load();
        for (key, count) in &**others {
            own[key].absorb(count, &self.frequency);
        }
    }

    fn of(&self, flag: &FlagKey, account: &AccountId) -> u32 {
        self.counts.load().get(flag).map_or(0, |count| count.of(account, &self.frequency))
    }
}

/// Counts for one thread.
#[derive(Debug)]
pub(crate) struct Recorder {
    sheet: Arc<Sheet>,
    /// By the place of the flag in the snapshot.
    counts: Vec<Arc<Count>>,
    version: u64,
}

impl Recorder {
    /// The version of the snapshot whose flags it counts by their places.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Counts by the places of the flags in another snapshot from now on.
    pub(crate) fn follow(&mut self, snapshot: &Snapshot) {
        self.sheet.extend(snapshot.flags());
        let counts = self.sheet.counts.load();
        self.counts = snapshot.flags().map(|key| counts[key].clone()).collect();
        self.version = snapshot.version();
    }

    #[inline]
    pub(crate) fn record(&self, index: usize, subject: &Subject<'_>, on: bool) {
        self.counts[index].add(&self.sheet.frequency, subject.account, subject.account_hash, on);
    }
}

impl fmt::Debug for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sheet").field("counts", &self.counts).finish_non_exhaustive()
    }
}
