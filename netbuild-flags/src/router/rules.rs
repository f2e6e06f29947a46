//! Which executor a build goes to, by flags in order.

use std::borrow::Cow;

use netbuild_core::model::{Build, ExecutorName, Route};
use serde::{Deserialize, Serialize};

use crate::bucket::hash;
use crate::lookup::LookedUp;
use crate::{AttributeLookup, Decision, FlagKey, Snapshot, Subject};

/// An ordered list of flags with their executors, and the executor for the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteRules {
    /// The rules, the most important first: the first flag that is on decides.
    #[serde(default)]
    pub rules: Vec<RouteRule>,
    /// The executor of builds for which no flag is on.
    pub default: ExecutorName,
}

/// Where a flag sends builds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteRule {
    /// The flag. Unknown flags are off.
    pub flag: FlagKey,
    /// Where builds go for which it is on.
    pub executor: ExecutorName,
}

impl RouteRules {
    /// Everything to one executor.
    pub fn new(default: ExecutorName) -> Self {
        RouteRules { rules: Vec::new(), default }
    }

    /// With one more rule, below those there are.
    #[must_use]
    pub fn with(mut self, flag: FlagKey, executor: ExecutorName) -> Self {
        self.rules.push(RouteRule { flag, executor });
        self
    }

    /// What tells the list from others, equal on every machine.
    pub(super) fn version(&self) -> u64 {
        hash(&serde_json::to_string(self).unwrap_or_default())
    }

    /// The route of a build over a snapshot; before the first there is none, and everything goes to the default.
    ///
    /// An executor to avoid is passed over as long as another rule or the default leads elsewhere. Where none does, the
    /// first choice stands.
    pub fn route(
        &self,
        snapshot: Option<&Snapshot>,
        build: &Build,
        attributes: &dyn AttributeLookup,
        avoid: &[ExecutorName],
    ) -> Route {
        self.route_by(snapshot, build, attributes, avoid, |snapshot, flag, subject| {
            snapshot.evaluate(flag, subject, false)
        })
    }

    /// As [`route`](Self::route), with flags evaluated by `evaluate`.
    pub(super) fn route_by(
        &self,
        snapshot: Option<&Snapshot>,
        build: &Build,
        attributes: &dyn AttributeLookup,
        avoid: &[ExecutorName],
        mut evaluate: impl FnMut(&Snapshot, &FlagKey, &Subject<'_>) -> Decision,
    ) -> Route {
        let known = LookedUp::new(build, attributes);
        let subject = known.subject();
        let version = snapshot.map_or(0, Snapshot::version);
        let mut first: Option<Route> = None;
        if let Some(snapshot) = snapshot {
            for rule in &self.rules {
                let decision = evaluate(snapshot, &rule.flag, &subject);
                if !decision.on {
                    continue;
                }
                let route = Route {
                    executor: rule.executor.clone(),
                    flag: Some(rule.flag.to_string()),
                    rule: snapshot.words(decision.rule).into_cow(),
                    snapshot: version,
                };
                if !avoid.contains(&route.executor) {
                    return instead_of(first, route);
                }
                first = first.or(Some(route));
            }
        }
        let default = Route { snapshot: version, ..Route::fixed(self.default.clone()) };
        match first {
            Some(first) if avoid.contains(&default.executor) => first,
            first => instead_of(first, default),
        }
    }
}

/// A route that another would have come before, had its executor not been to avoid.
fn instead_of(avoided: Option<Route>, route: Route) -> Route {
    match avoided {
        None => route,
        Some(Route { executor, .. }) => {
            Route { rule: Cow::Owned(format!("{}, {executor} avoided", route.rule)), ..route }
        }
    }
}
