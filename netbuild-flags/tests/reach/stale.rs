//! Which flags have done their work.

use std::collections::BTreeMap;
use std::time::Duration;

use netbuild_core::model::Timestamp;
use netbuild_core::testkit::fixtures::account;
use netbuild_flags::exposure::FlagExposure;
use netbuild_flags::stale::StaleReason::{self, NotEvaluated, OffForAll, OnForAll};
use netbuild_flags::stale::{Usage, stale};
use netbuild_flags::{Definition, Overrides, Percentage, Ramp, Share, Snapshot, Steps};

use crate::support::{definitions, flag, percent, project_of, snapshot};

const LONG: Duration = Duration::from_secs(30 * 86_400);

fn day(day: u64) -> Timestamp {
    Timestamp::EPOCH + Duration::from_secs(day * 86_400)
}

fn evaluated(last: Option<Timestamp>, on: u64) -> FlagExposure {
    FlagExposure { flag: flag(), on, off: 0, distinct_accounts: 1, busiest: Vec::new(), last }
}

/// On day 100, changed on day 10, evaluated today.
fn reason(definition: Definition) -> Option<(StaleReason, Timestamp)> {
    let changed_at = BTreeMap::from([(flag(), day(10))]);
    let exposure = [evaluated(Some(day(100)), 1)];
    let usage = Usage { changed_at: &changed_at, exposure: &exposure, counted_since: day(0) };
    stale(&snapshot(definition), &usage, day(100), LONG).pop().map(|stale| (stale.reason, stale.since))
}

fn ramp(to: Percentage, end: u64) -> Share {
    Share::Ramp(Ramp { from: Percentage::from_hundredths(100), to, start: day(20), end: day(end) })
}

fn steps(at: usize) -> Share {
    let steps = [5_000, 10_000].map(Percentage::from_hundredths).to_vec();
    Share::Steps(Steps { steps, at, since: day(50), hold_seconds: 60 })
}

#[test]
fn flags_that_are_on_or_off_for_everybody_for_long_are_stale() {
    let on_at = |day_no| Some((OnForAll, day(day_no)));
    let off_at = |day_no| Some((OffForAll, day(day_no)));
    let of = Definition::default;
    let all = || percent(100.0);
    let cases = [
        (of(), off_at(10)),
        (Definition { kill: true, global: true, ..of() }, off_at(10)),
        (Definition { kill: true, accounts_share: ramp(Percentage::ALL, 150), ..of() }, off_at(10)),
        (Definition { global: true, ..of() }, on_at(10)),
        (Definition { accounts_share: all(), accounts: [account("acme")].into(), ..of() }, on_at(10)),
        (Definition { projects_share: all(), ..of() }, on_at(10)),
        (Definition { accounts_share: percent(99.99), ..of() }, None),
        (Definition { accounts: [account("acme")].into(), ..of() }, None),
        (Definition { projects: [project_of("acme", "site")].into(), ..of() }, None),
        (Definition { groups: ["teams".parse().unwrap()].into(), ..of() }, None),
        (Definition { global: true, excluded_accounts: [account("acme")].into(), ..of() }, None),
        (Definition { global: true, excluded_projects: [project_of("acme", "site")].into(), ..of() }, None),
        (Definition { accounts_share: ramp(Percentage::ALL, 60), ..of() }, on_at(60)),
        (Definition { accounts_share: ramp(Percentage::NONE, 60), ..of() }, off_at(60)),
        (Definition { accounts_share: ramp(Percentage::ALL, 90), ..of() }, None),
        (Definition { accounts_share: ramp(Percentage::ALL, 150), ..of() }, None),
        (Definition { projects_share: steps(1), ..of() }, on_at(50)),
        (Definition { projects_share: steps(0), ..of() }, None),
        (Definition { global: true, projects_share: steps(0), ..of() }, None),
    ];
    for (definition, expected) in cases {
        assert_eq!(reason(definition.clone()), expected, "{definition:?}");
    }
}

#[test]
fn an_overridden_flag_is_not_stale() {
    let overrides = Overrides::from_vars([("NETBUILD_FLAG_PODS", "off")]).unwrap();
    let snapshot = Snapshot::new(definitions(Definition::default()), &overrides, day(100)).unwrap();
    let usage = Usage { changed_at: &BTreeMap::from([(flag(), day(10))]), exposure: &[], counted_since: day(0) };
    assert_eq!(stale(&snapshot, &usage, day(100), LONG), []);
}

#[test]
fn flags_that_nobody_asks_for_are_stale_as_far_as_was_counted() {
    let half = snapshot(Definition { accounts_share: percent(50.0), ..Definition::default() });
    let idle = |changed: Option<u64>, exposure: &[FlagExposure], counted_since: u64| {
        let changed_at = changed.map(|changed| (flag(), day(changed))).into_iter().collect();
        let usage = Usage { changed_at: &changed_at, exposure, counted_since: day(counted_since) };
        stale(&half, &usage, day(100), LONG).pop().map(|stale| (stale.reason, stale.since))
    };
    let since = |since| Some((NotEvaluated, day(since)));
    assert_eq!(idle(Some(10), &[], 0), since(10));
    assert_eq!(idle(Some(10), &[evaluated(None, 0)], 20), since(20));
    assert_eq!(idle(None, &[], 20), since(20));
    assert_eq!(idle(None, &[], 70), since(70), "exactly as long is long");
    assert_eq!(idle(Some(10), &[], 99), None, "the process began a day ago");
    assert_eq!(idle(Some(99), &[], 0), None, "it is new");
    assert_eq!(idle(Some(10), &[evaluated(Some(day(60)), 7)], 0), since(60));
    assert_eq!(idle(Some(10), &[evaluated(Some(day(99)), 7)], 0), None);
    assert_eq!(idle(Some(10), &[evaluated(None, 7)], 0), None, "nobody observed when");
}

#[test]
fn a_flag_on_its_way_is_not_stale_even_if_nobody_asks_for_it() {
    let usage = Usage { changed_at: &BTreeMap::from([(flag(), day(10))]), exposure: &[], counted_since: day(0) };
    for share in [ramp(Percentage::ALL, 150), steps(0)] {
        let moving = snapshot(Definition { accounts_share: share, ..Definition::default() });
        assert_eq!(stale(&moving, &usage, day(100), LONG), []);
    }
}

#[test]
fn what_was_never_known_to_change_is_not_known_to_be_on_for_long() {
    let global = snapshot(Definition { global: true, ..Definition::default() });
    let exposure = [evaluated(Some(day(100)), 1)];
    let usage = Usage { changed_at: &BTreeMap::new(), exposure: &exposure, counted_since: day(0) };
    assert_eq!(stale(&global, &usage, day(100), LONG), []);
}

#[test]
fn it_reads_as_a_sentence() {
    let usage = Usage { changed_at: &BTreeMap::from([(flag(), day(10))]), exposure: &[], counted_since: day(0) };
    let found = stale(&snapshot(Definition::default()), &usage, day(100), LONG);
    assert_eq!(found[0].to_string(), "pods is off for everybody since 1970-01-11T00:00:00.000Z");
}
