//! The choice of executors by the flags of any OpenFeature client.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::open_feature::{Client, EvaluationContext};
use futures_util::FutureExt;
use futures_util::future::join_all;
use netbuild_core::model::{Build, ExecutorName, Route};
use netbuild_core::port::{Clock, Router};
use tokio::sync::Notify;
use tokio::task::unconstrained;

use super::answers::{Answer, Answers, AskedFor, Row};

/// Builds for which a flag is on go to an executor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRule {
    /// The key of the flag, as its provider knows it.
    pub flag: String,
    /// Where builds go for which it is on.
    pub executor: ExecutorName,
}

/// How answers are kept and asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// How long after an answer the same question is asked again; 30 s by default, about what providers poll by.
    pub every: Duration,
    /// How long one question may take; 5 s by default. Afterwards the answer before it stays.
    pub timeout: Duration,
    /// For how many projects answers are kept, 10,000 by default; who was asked longest ago makes room.
    pub capacity: usize,
    /// How many questions are under way at most; 16 by default.
    pub at_once: usize,
}

impl Default for Refresh {
    fn default() -> Self {
        let (every, timeout) = (Duration::from_secs(30), Duration::from_secs(5));
        Refresh { every, timeout, capacity: 10_000, at_once: 16 }
    }
}

/// Routes by the flags of an OpenFeature client, whatever provider is behind it: the first rule whose flag is on decides.
///
/// # How it asks
/// Routes are asked for synchronously, and clients answer asynchronously. A client that answers at once, as those of
/// providers in memory do, is asked in [`route`](Router::route). One that does not is asked by [`run`](Self::run), and
/// builds go to the default executor until it has answered; then [`version`](Router::version) moves, and the engine
/// routes queued builds again. Answers are kept, and asked for again by `run` at an interval. A flag that fails keeps its
/// last answer, and is off before the first.
///
/// # The evaluation context
/// The targeting key is the account. The fields are `account`, `project`, `trusted` (a bool) and `context`, one of
/// `production`, `branch` and `preview`.
pub struct ClientRouter {
    pub(super) client: Client,
    rules: Vec<ClientRule>,
    default: ExecutorName,
    pub(super) refresh: Refresh,
    pub(super) clock: Arc<dyn Clock>,
    answers: Mutex<Answers>,
    version: AtomicU64,
    pub(super) wanted: Notify,
}

impl ClientRouter {
    /// A router by ordered rules, the first of them strongest, and where builds go for which no flag is on.
    pub fn new(
        client: Client,
        rules: Vec<ClientRule>,
        default: ExecutorName,
        refresh: Refresh,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let answers = Mutex::new(Answers::new(refresh.capacity));
        let version = AtomicU64::new(1);
        ClientRouter { client, rules, default, refresh, clock, answers, version, wanted: Notify::new() }
    }

    /// Asks what did not answer at once, and everything again after the interval, until `stop` is ready.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        super::driver::run(self, stop).await;
    }

    /// What all flags answer for somebody; a flag that fails keeps what it answered before.
    pub(super) async fn ask(&self, whom: &AskedFor, before: Option<Row>) -> Row {
        let context = EvaluationContext::default()
            .with_targeting_key(whom.account.as_str())
            .with_custom_field("account", whom.account.as_str())
            .with_custom_field("project", whom.project.as_str())
            .with_custom_field("trusted", whom.trusted)
            .with_custom_field("context", whom.context);
        let asked = self.rules.iter().map(|rule| self.client.get_bool_details(&rule.flag, Some(&context), None));
        let asked = join_all(asked).await.into_iter().enumerate();
        let answers = asked.map(|(index, answer)| match answer {
            Ok(details) => {
                let reason = details.reason.unwrap_or_default();
                let variant = details.variant.map(|variant| format!(", variant {variant}")).unwrap_or_default();
                Answer { on: details.value, rule: format!("{reason}{variant}") }
            }
            Err(error) => {
                let flag = &self.rules[index].flag;
                tracing::debug!(flag, code = %error.code, message = error.message, "a flag of the client failed");
                let last = before.as_ref().map(|row| row[index].clone());
                last.unwrap_or_else(|| Answer { on: false, rule: error.code.to_string() })
            }
        });
        answers.collect()
    }

    pub(super) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn move_version(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// What is known for somebody, asked now if nothing is; `None` before the first answer.
    fn row(&self, whom: &AskedFor) -> Option<Row> {
        if let Some(known) = self.answers().get(whom) {
            return known;
        }
        // Its budget is not spent by the host's task: a client that could answer would seem slow in the middle of many routes.
        let row = unconstrained(self.ask(whom, None)).now_or_never();
        self.answers().insert(whom, row.clone(), self.clock.monotonic());
        self.wanted.notify_one();
        row
    }
}

impl Router for ClientRouter {
    fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn route(&self, build: &Build, avoid: &[ExecutorName]) -> Route {
        let snapshot = self.version();
        let fixed = |rule| Route { executor: self.default.clone(), flag: None, rule: Cow::Borrowed(rule), snapshot };
        let Some(row) = self.row(&AskedFor::of(build)) else { return fixed("default until the flags answer") };
        let mut on = self.rules.iter().zip(row.iter()).filter(|(_, answer)| answer.on).peekable();
        let first = on.peek().copied();
        let chosen = on.find(|(rule, _)| !avoid.contains(&rule.executor));
        let chosen = chosen.or_else(|| if avoid.contains(&self.default) { first } else { None });
        match chosen {
            Some((rule, answer)) => Route {
                executor: rule.executor.clone(),
                flag: Some(rule.flag.clone()),
                rule: Cow::Owned(answer.rule.clone()),
                snapshot,
            },
            None => fixed("default"),
        }
    }
}

impl fmt::Debug for ClientRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ClientRouter");
        shown.field("client", &self.client.metadata().name).field("rules", &self.rules);
        shown.field("default", &self.default).field("refresh", &self.refresh).finish_non_exhaustive()
    }
}
