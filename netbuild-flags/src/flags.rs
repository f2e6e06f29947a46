//! The handle that a process asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use netbuild_core::model::Timestamp;

use crate::exposure::{Exposure, Recorder};
use crate::rule::{Decision, Rule};
use crate::subject::Subject;
use crate::{DefinitionError, Definitions, Evaluator, FlagKey, Overrides, Snapshot};

/// The flags of a process: the snapshot that answers now, and how to exchange it. Cheap to clone; clones are one.
///
/// Evaluations read the snapshot that is in force and never wait, fail or allocate. Definitions that are refused change
/// nothing, and [`status`](Self::status) tells of them.
///
/// ```
/// use netbuild_core::model::{AccountId, Timestamp};
/// use netbuild_flags::{Definition, Definitions, FlagKey, Flags, Overrides, Rule, Subject};
///
/// let flags = Flags::new(Overrides::none());
/// let (pods, account) = (FlagKey::new("pods")?, AccountId::new("acme")?);
/// let subject = Subject::account(&account);
/// assert_eq!(flags.evaluate(&pods, &subject, true).rule, Rule::NoSnapshot, "the caller's default counts");
///
/// let mut definitions = Definitions::default();
/// definitions.flags.insert(pods.clone(), Definition { global: true, ..Definition::default() });
/// flags.publish(definitions, None, Timestamp::EPOCH)?;
/// assert!(flags.evaluate(&pods, &subject, false).on);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Flags(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    current: Arc<ArcSwapOption<Snapshot>>,
    overrides: Overrides,
    /// Held by who exchanges the snapshot, never by who evaluates.
    status: Mutex<FlagsStatus>,
    exposure: Exposure,
}

/// How the flags of a process stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagsStatus {
    /// The version of the snapshot in force; `None` before the first.
    pub version: Option<u64>,
    /// The revision of its definitions, where their source counts revisions.
    pub revision: Option<u64>,
    /// When the source was last heard to have these definitions: how old they may be.
    pub confirmed_at: Option<Timestamp>,
    /// Why the source's newest definitions, or the source itself, were of no use; `None` when they are in force.
    pub problem: Option<String>,
}

impl FlagsStatus {
    /// How long ago the source was last heard to have the definitions in force.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        self.confirmed_at.map(|confirmed| now.since(confirmed))
    }
}

impl Flags {
    /// Flags without a snapshot: every answer is the caller's default until the first is published.
    pub fn new(overrides: Overrides) -> Self {
        Flags(Arc::new(Inner {
            current: Arc::default(),
            overrides,
            status: Mutex::default(),
            exposure: Exposure::default(),
        }))
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.0.current.load_full()
    }

    /// The version of the snapshot in force; 0 before the first.
    pub fn version(&self) -> u64 {
        self.0.current.load().as_ref().map_or(0, |snapshot| snapshot.version())
    }

    /// Whether a flag is on for a subject, and which rule decided; `default` when nobody knows.
    ///
    /// It is not counted, and costs more than with an [`Evaluator`], which a thread keeps.
    pub fn evaluate(&self, flag: &FlagKey, subject: &Subject<'_>, default: bool) -> Decision {
        match &*self.0.current.load() {
            Some(snapshot) => snapshot.evaluate(flag, subject, default),
            None => Decision { on: default, rule: Rule::NoSnapshot, version: 0 },
        }
    }

    /// A handle for one thread, or one task, that evaluates fastest and counts.
    pub fn evaluator(&self) -> Evaluator {
        Evaluator::new(self)
    }

    /// Puts definitions in force, as they are at a time. `revision` is the source's, if it counts. Says whether an answer
    /// may have changed.
    ///
    /// # Errors
    /// [`DefinitionError`]: the snapshot in force stays, and [`status`](Self::status) tells of it.
    pub fn publish(
        &self,
        definitions: Definitions,
        revision: Option<u64>,
        now: Timestamp,
    ) -> Result<bool, DefinitionError> {
        let mut status = self.status_mut();
        let snapshot = Snapshot::new(definitions, &self.0.overrides, now).inspect_err(|error| {
            status.problem = Some(error.to_string());
        })?;
        let changed = status.version != Some(snapshot.version());
        *status = FlagsStatus { version: Some(snapshot.version()), revision, confirmed_at: Some(now), problem: None };
        self.0.current.store(Some(Arc::new(snapshot)));
        Ok(changed)
    }

    /// Moves percentages that change with the time to where they are at `now`. Says whether an answer may have changed.
    pub fn tick(&self, now: Timestamp) -> bool {
        let mut status = self.status_mut();
        let Some(current) = self.snapshot() else { return false };
        if current.next_change().is_none_or(|next| now < next) {
            return false;
        }
        let moved = Snapshot::new(current.definitions().clone(), &self.0.overrides, now);
        let moved = moved.expect("definitions that were accepted are accepted at any time");
        let changed = status.version != Some(moved.version());
        status.version = Some(moved.version());
        self.0.current.store(Some(Arc::new(moved)));
        changed
    }

    /// The source has been heard to have the definitions that are in force.
    pub fn confirm(&self, now: Timestamp) {
        let mut status = self.status_mut();
        status.confirmed_at = Some(now);
        status.problem = None;
    }

    /// The source is of no use at the moment, and why.
    pub fn doubt(&self, problem: impl Into<String>) {
        self.status_mut().problem = Some(problem.into());
    }

    /// What is in force, how old it may be, and what is wrong.
    pub fn status(&self) -> FlagsStatus {
        self.status_mut().clone()
    }

    /// How often flags were evaluated, and for whom, by all [`Evaluator`]s together.
    pub fn exposure(&self) -> &Exposure {
        &self.0.exposure
    }

    /// What the environment of this process overrides.
    pub fn overrides(&self) -> &Overrides {
        &self.0.overrides
    }

    pub(crate) fn recorder(&self) -> Recorder {
        self.0.exposure.recorder()
    }

    pub(crate) fn current(&self) -> Arc<ArcSwapOption<Snapshot>> {
        self.0.current.clone()
    }

    fn status_mut(&self) -> MutexGuard<'_, FlagsStatus> {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
