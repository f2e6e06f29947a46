//! A limit on the running builds of each account, around any policy.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::ops::Bound;
use std::sync::Arc;

use super::{Policy, Queued};
use crate::model::{AccountId, Build, ExecutorName, Priority, Rank, Timestamp};

/// How many builds an account may run at once, over all lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// For every account without a limit of its own.
    pub default: u32,
    /// For accounts by name. 0 holds an account's builds back altogether.
    pub by_account: BTreeMap<AccountId, u32>,
}

impl AccountLimits {
    /// The same limit for every account.
    pub fn each(limit: u32) -> Self {
        AccountLimits { default: limit, by_account: BTreeMap::new() }
    }

    fn of(&self, account: &AccountId) -> u32 {
        self.by_account.get(account).copied().unwrap_or(self.default)
    }
}

/// Shows the inner policy only as many builds of an account as the account may still start, so that the inner policy
/// knows nothing of limits and never has to look past builds that may not start: each step stays O(log n).
///
/// Which builds of an account are shown is decided here: the oldest first, or with
/// [`by_priority`](Self::by_priority) the highest priority first. A lane that is full takes nothing from another: each
/// lane is shown as many as the account may start.
#[derive(Debug)]
pub struct AccountLimit<P> {
    inner: P,
    limits: AccountLimits,
    by_priority: bool,
    /// Looked up and never gone through, so its order decides nothing.
    accounts: HashMap<AccountId, Account, BuildHasherDefault<DefaultHasher>>,
}

#[derive(Debug)]
struct Account {
    running: u32,
    /// Those in which something waits: few, so they are in a row.
    lanes: Vec<(ExecutorName, Lane)>,
}

/// What waits of one account in one lane, in order. The first ones are shown.
#[derive(Debug, Default)]
struct Lane {
    waiting: BTreeMap<Order, Arc<Build>>,
    shown: usize,
    last_shown: Option<Order>,
}

type Order = (Reverse<Priority>, Rank);

impl<P: Policy> AccountLimit<P> {
    /// Limits around `inner`.
    pub fn new(inner: P, limits: AccountLimits) -> Self {
        AccountLimit { inner, limits, by_priority: false, accounts: HashMap::default() }
    }

    /// Shows an account's builds of high priority before its older ones. To be set before the first build.
    pub fn by_priority(mut self) -> Self {
        self.by_priority = true;
        self
    }

    fn order(&self, build: &Queued) -> Order {
        let priority = if self.by_priority { build.priority() } else { Priority::default() };
        (Reverse(priority), build.rank)
    }

    /// Changes an account, and then shows or hides its builds until each lane shows as many as may start.
    fn change(&mut self, id: &AccountId, change: impl FnOnce(&mut Account, &mut P)) {
        let limit = self.limits.of(id);
        let account = match self.accounts.get_mut(id) {
            Some(account) => account,
            None => self.accounts.entry(id.clone()).or_insert_with(Account::new),
        };
        change(account, &mut self.inner);
        let may_start = limit.saturating_sub(account.running) as usize;
        account.lanes.retain_mut(|(name, lane)| {
            lane.balance(name, may_start, &mut self.inner);
            !lane.waiting.is_empty()
        });
        if account.running == 0 && account.lanes.is_empty() {
            self.accounts.remove(id);
        }
    }
}

impl Account {
    fn new() -> Self {
        // Hardly ever more than one.
        Account { running: 0, lanes: Vec::with_capacity(1) }
    }

    fn lane(&mut self, name: &ExecutorName) -> &mut Lane {
        let at = self.lanes.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.lanes.push((name.clone(), Lane::default()));
            self.lanes.len() - 1
        });
        &mut self.lanes[at].1
    }
}

impl Lane {
    fn is_shown(&self, order: Order) -> bool {
        self.last_shown.is_some_and(|last| order <= last)
    }

    /// Puts a build in its place; whether that is among those that are shown.
    fn put(&mut self, order: Order, build: Arc<Build>) -> bool {
        let shown = self.is_shown(order);
        let is_new = self.waiting.insert(order, build).is_none();
        self.shown += usize::from(shown && is_new);
        shown && is_new
    }

    /// Takes a build out; whether it was shown.
    fn take(&mut self, order: Order) -> bool {
        let shown = self.waiting.remove(&order).is_some() && self.is_shown(order);
        if shown {
            self.one_less(order);
        }
        shown
    }

    /// A build is not shown any more.
    fn one_less(&mut self, order: Order) {
        self.shown -= 1;
        if self.last_shown == Some(order) {
            self.last_shown = self.waiting.range(..order).next_back().map(|(order, _)| *order);
        }
    }

    /// Shows as many as may start.
    fn balance(&mut self, name: &ExecutorName, may_start: usize, inner: &mut impl Policy) {
        let queued = |(_, rank): Order, build: &Arc<Build>| Queued { build: build.clone(), rank, lane: name.clone() };
        while self.shown > may_start {
            let Some(last) = self.last_shown else { break };
            inner.withdrawn(&queued(last, &self.waiting[&last]));
            self.one_less(last);
        }
        while self.shown < may_start.min(self.waiting.len()) {
            let from = self.last_shown.map_or(Bound::Unbounded, Bound::Excluded);
            let Some((next, build)) = self.waiting.range((from, Bound::Unbounded)).next() else { break };
            inner.enqueued(&queued(*next, build));
            (self.shown, self.last_shown) = (self.shown + 1, Some(*next));
        }
    }
}

impl<P: Policy> Policy for AccountLimit<P> {
    fn enqueued(&mut self, build: &Queued) {
        let order = self.order(build);
        self.change(build.account(), |account, inner| {
            if account.lane(&build.lane).put(order, build.build.clone()) {
                inner.enqueued(build);
            }
        });
    }

    fn withdrawn(&mut self, build: &Queued) {
        let order = self.order(build);
        self.change(build.account(), |account, inner| {
            if account.lane(&build.lane).take(order) {
                inner.withdrawn(build);
            }
        });
    }

    fn started(&mut self, build: &Queued) {
        let order = self.order(build);
        self.change(build.account(), |account, inner| {
            // After a restart builds run that were never shown, and more of them than a lowered limit allows.
            if !account.lane(&build.lane).take(order) {
                inner.enqueued(build);
            }
            inner.started(build);
            account.running += 1;
        });
    }

    fn finished(&mut self, build: &Queued) {
        self.change(build.account(), |account, inner| {
            inner.finished(build);
            account.running = account.running.saturating_sub(1);
        });
    }

    fn next(&mut self, lane: &ExecutorName, now: Timestamp) -> Option<Rank> {
        self.inner.next(lane, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Fifo;
    use crate::policy::port::tests::queued;

    fn next(policy: &mut impl Policy, lane: &str) -> Option<Rank> {
        policy.next(&ExecutorName::new(lane).unwrap(), Timestamp::EPOCH)
    }

    #[test]
    fn an_account_at_its_limit_gives_way_and_goes_on_in_order() {
        let mut policy = AccountLimit::new(Fifo::new(), AccountLimits::each(1));
        let [a1, a2, b3] = [queued("a", 1, 0, "x"), queued("a", 2, 0, "x"), queued("b", 3, 0, "x")];
        [&a1, &a2, &b3].into_iter().for_each(|build| policy.enqueued(build));
        assert_eq!(next(&mut policy, "x"), Some(a1.rank));
        policy.started(&a1);
        assert_eq!(next(&mut policy, "x"), Some(b3.rank), "a is at its limit");
        policy.finished(&a1);
        assert_eq!(next(&mut policy, "x"), Some(a2.rank));
    }

    #[test]
    fn a_full_lane_takes_nothing_from_another() {
        let mut policy = AccountLimit::new(Fifo::new(), AccountLimits::each(1));
        let [x, y] = [queued("a", 1, 0, "x"), queued("a", 2, 0, "y")];
        [&x, &y].into_iter().for_each(|build| policy.enqueued(build));
        assert_eq!(next(&mut policy, "y"), Some(y.rank), "x may be full: y is shown as well");
        policy.started(&y);
        assert_eq!(next(&mut policy, "x"), None, "now the account runs one");
        policy.finished(&y);
        assert_eq!(next(&mut policy, "x"), Some(x.rank));
    }

    #[test]
    fn priority_counts_within_an_account_where_asked() {
        let mut policy = AccountLimit::new(Fifo::new(), AccountLimits::each(1)).by_priority();
        let [low, high] = [queued("a", 1, 0, "x"), queued("a", 2, 5, "x")];
        [&low, &high].into_iter().for_each(|build| policy.enqueued(build));
        assert_eq!(next(&mut policy, "x"), Some(high.rank));
        policy.withdrawn(&high);
        assert_eq!(next(&mut policy, "x"), Some(low.rank));
    }

    #[test]
    fn builds_that_ran_before_a_restart_count() {
        let mut policy = AccountLimit::new(Fifo::new(), AccountLimits::each(1));
        let running = [queued("a", 1, 0, "x"), queued("a", 2, 0, "x")];
        for build in &running {
            policy.enqueued(build);
            policy.started(build);
        }
        let waiting = queued("a", 3, 0, "x");
        policy.enqueued(&waiting);
        policy.finished(&running[0]);
        assert_eq!(next(&mut policy, "x"), None, "one still runs");
        policy.finished(&running[1]);
        assert_eq!(next(&mut policy, "x"), Some(waiting.rank));
    }
}
