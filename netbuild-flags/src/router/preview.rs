//! Which builds would go elsewhere, before a change is made.

use std::collections::BTreeMap;
use std::fmt;

use netbuild_core::model::{Build, BuildKey, ExecutorName};

use super::RouteRules;
use crate::{AttributeLookup, Snapshot};

/// How many builds of each move are named.
const NAMED: usize = 10;

/// Which of some builds would go to another executor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePreview {
    /// How many builds were looked at.
    pub builds: usize,
    /// The moves, by the executors and the rules on both sides.
    pub moves: BTreeMap<RouteMove, Moved>,
}

/// From where to where, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteMove {
    /// The executor before.
    pub from: ExecutorName,
    /// The executor after.
    pub to: ExecutorName,
    /// The flag and rule before, in words.
    pub by: String,
    /// The flag and rule after, in words.
    pub then_by: String,
}

/// The builds of a move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// How many there are.
    pub builds: usize,
    /// The first ten.
    pub first: Vec<BuildKey>,
}

/// Which of some builds, recorded ones for example, would go to another executor if rules or definitions changed.
pub fn preview_routes<'b>(
    before: (&RouteRules, &Snapshot),
    after: (&RouteRules, &Snapshot),
    builds: impl IntoIterator<Item = &'b Build>,
    attributes: &dyn AttributeLookup,
) -> RoutePreview {
    let mut preview = RoutePreview::default();
    for build in builds {
        preview.builds += 1;
        let [was, is] = [before, after].map(|(rules, snapshot)| rules.route(Some(snapshot), build, attributes, &[]));
        if was.executor == is.executor {
            continue;
        }
        let words = |flag: Option<String>, rule: &str| flag.map_or(rule.to_owned(), |flag| format!("{flag}: {rule}"));
        let by = words(was.flag, &was.rule);
        let route_move = RouteMove { from: was.executor, to: is.executor, by, then_by: words(is.flag, &is.rule) };
        let moved = preview.moves.entry(route_move).or_default();
        moved.builds += 1;
        if moved.first.len() < NAMED {
            moved.first.push(build.key());
        }
    }
    preview
}

impl fmt::Display for RoutePreview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moved: usize = self.moves.values().map(|moved| moved.builds).sum();
        write!(f, "{moved} of {} builds would go elsewhere", self.builds)?;
        for (RouteMove { from, to, by, then_by }, moved) in &self.moves {
            write!(f, "\n{:>8}  {from} ({by}) -> {to} ({then_by})", moved.builds)?;
        }
        Ok(())
    }
}
