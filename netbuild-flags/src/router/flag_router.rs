//! The router of the scheduler, by flags.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use netbuild_core::model::{Build, ExecutorName, Route};
use netbuild_core::port::Router;

use super::RouteRules;
use crate::{AttributeLookup, Evaluator, Flags, NoAttributes};

/// Chooses executors by flags: the port of the scheduler over [`RouteRules`].
///
/// Each flag that is asked for a build counts as evaluated for its account. The route names the flag that was on and the
/// rule that decided, in words; the snapshot's version is kept with it.
///
/// ```
/// use netbuild_core::model::{ExecutorName, Timestamp};
/// use netbuild_core::port::Router;
/// use netbuild_core::testkit::fixtures::build;
/// use netbuild_flags::router::{FlagRouter, RouteRules};
/// use netbuild_flags::{Definition, Definitions, FlagKey, Flags, Overrides};
///
/// let pods = FlagKey::new("builds-in-pods")?;
/// let rules = RouteRules::new(ExecutorName::new("docker")?).with(pods.clone(), ExecutorName::new("k8s")?);
/// let flags = Flags::new(Overrides::none());
/// let router = FlagRouter::new(flags.clone(), rules);
/// let build = build("acme", "site", 1);
/// assert_eq!(router.route(&build, &[]).executor.as_str(), "docker");
///
/// let definitions = Definitions {
///     flags: [(pods, Definition { accounts: [build.account.clone()].into(), ..Definition::default() })].into(),
///     ..Definitions::default()
/// };
/// flags.publish(definitions, None, Timestamp::EPOCH)?;
/// let route = router.route(&build, &[]);
/// assert_eq!((route.executor.as_str(), &*route.rule), ("k8s", "account"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FlagRouter {
    flags: Flags,
    rules: ArcSwap<Ready>,
    attributes: Arc<dyn AttributeLookup>,
    /// One scheduler asks, so nobody waits for it.
    evaluator: Mutex<Evaluator>,
}

/// A list of rules with what tells it from others.
#[derive(Debug)]
struct Ready {
    rules: RouteRules,
    version: u64,
}

impl From<RouteRules> for Ready {
    fn from(rules: RouteRules) -> Self {
        Ready { version: rules.version(), rules }
    }
}

impl FlagRouter {
    /// A router over flags, that knows no attributes.
    pub fn new(flags: Flags, rules: RouteRules) -> Self {
        let evaluator = Mutex::new(flags.evaluator());
        FlagRouter { flags, rules: ArcSwap::from_pointee(rules.into()), attributes: Arc::new(NoAttributes), evaluator }
    }

    /// With the attributes that groups look at.
    #[must_use]
    pub fn with_attributes(self, attributes: Arc<dyn AttributeLookup>) -> Self {
        FlagRouter { attributes, ..self }
    }

    /// Puts another list of rules in force. What it would move, [`preview_routes`](super::preview_routes) tells.
    pub fn set_rules(&self, rules: RouteRules) {
        self.rules.store(Arc::new(rules.into()));
    }

    /// The rules in force.
    pub fn rules(&self) -> RouteRules {
        self.rules.load().rules.clone()
    }
}

impl Router for FlagRouter {
    fn version(&self) -> u64 {
        self.flags.version() ^ self.rules.load().version
    }

    fn route(&self, build: &Build, avoid: &[ExecutorName]) -> Route {
        let mut evaluator = self.evaluator.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = evaluator.snapshot().cloned();
        let rules = &self.rules.load().rules;
        rules.route_by(snapshot.as_deref(), build, &*self.attributes, avoid, |snapshot, flag, subject| {
            evaluator.evaluate_in(snapshot, flag, subject, false)
        })
    }
}
