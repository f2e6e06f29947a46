//! A limit on the running builds of each account, around any policy.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};
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

#[derive(Debug, Default)]
struct Account {
    running: u32,
    /// Those in which something waits: few, so they are in a row.
    lanes: Vec<(ExecutorName, Lane)>,
}

/// What waits of one account in one lane: `shown` holds the first ones of both in order.
#[derive(Debug, Default)]
struct Lane {
    shown: BTreeMap<Order, Arc<Build>>,
    held: BTreeMap<Order, Arc<Build>>,
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
    fn change<T>(&mut self, id: &AccountId, change: impl FnOnce(&mut Account, &mut P) -> T) -> T {
        let limit = self.limits.of(id);
        let account = match self.accounts.get_mut(id) {
            Some(account) => account,
            None => self.accounts.entry(id.clone()).or_default(),
        };
        let changed = change(account, &mut self.inner);
        let may_start = limit.saturating_sub(account.running) as usize;
        account.lanes.retain_mut(|(name, lane)| {
            lane.balance(name, may_start, &mut self.inner);
            !(lane.shown.is_empty() && lane.held.is_empty())
        });
        if account.running == 0 && account.lanes.is_empty() {
            self.accounts.remove(id);
        }
        changed
    }
}

impl Account {
    fn lane(&mut self, name: &ExecutorName) -> &mut Lane {
        let at = self.lanes.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.lanes.push((name.clone(), Lane::default()));
            self.lanes.len() - 1
        });
        &mut self.lanes[at].1
    }

    /// Takes a build out of its lane; whether it was shown.
    fn take(&mut self, name: &ExecutorName, order: Order) -> bool {
        let lane = self.lane(name);
        let was_shown = lane.shown.remove(&order).is_some();
        if !was_shown {
            lane.held.remove(&order);
        }
        was_shown
    }
}

impl Lane {
    fn balance(&mut self, name: &ExecutorName, may_start: usize, inner: &mut impl Policy) {
        let queued = |(_, rank): Order, build: Arc<Build>| Queued { build, rank, lane: name.clone() };
        while self.shown.len() > may_start || self.out_of_order() {
            let Some((order, build)) = self.shown.pop_last() else { break };
            inner.withdrawn(&queued(order, build.clone()));
            self.held.insert(order, build);
        }
        while self.shown.len() < may_start {
            let Some((order, build)) = self.held.pop_first() else { break };
            inner.enqueued(&queued(order, build.clone()));
            self.shown.insert(order, build);
        }
    }

    fn out_of_order(&self) -> bool {
        match (self.shown.last_key_value(), self.held.first_key_value()) {
            (Some((last_shown, _)), Some((first_held, _))) => first_held < last_shown,
            _ => false,
        }
    }
}

impl<P: Policy> Policy for AccountLimit<P> {
    fn enqueued(&mut self, build: &Queued) {
        let order = self.order(build);
        self.change(build.account(), |account, _| account.lane(&build.lane).held.insert(order, build.build.clone()));
    }

    fn withdrawn(&mut self, build: &Queued) {
        let order = self.order(build);
        self.change(build.account(), |account, inner| {
            if account.take(&build.lane, order) {
                inner.withdrawn(build);
            }
        });
    }

    fn started(&mut self, build: &Queued) {
        let order = self.order(build);
        self.change(build.account(), |account, inner| {
            // After a restart builds run that were never shown, and more of them than a lowered limit allows.
            if !account.take(&build.lane, order) {
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
