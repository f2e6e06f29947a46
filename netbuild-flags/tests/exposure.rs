//! What is counted of evaluations, by several threads.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use netbuild_core::model::{AccountId, Timestamp};
use netbuild_flags::{Definition, Definitions, FlagKey, Flags, Overrides, Percentage, Share, Subject};

fn key(text: &str) -> FlagKey {
    FlagKey::new(text).unwrap()
}

fn accounts(count: usize) -> Vec<AccountId> {
    (0..count).map(|n| AccountId::new(format!("account-{n}")).unwrap()).collect()
}

fn flags(keys: &[FlagKey]) -> Flags {
    let half = Definition { accounts_share: Share::Fixed(Percentage::from_hundredths(5_000)), ..Definition::default() };
    let definitions =
        Definitions { flags: keys.iter().map(|key| (key.clone(), half.clone())).collect(), ..Definitions::default() };
    let flags = Flags::new(Overrides::none());
    flags.publish(definitions, None, Timestamp::EPOCH).unwrap();
    flags
}

/// The accounts that one of several threads asks for: each the more often, the smaller its number.
fn asked(thread: usize) -> impl Iterator<Item = usize> {
    (0..20_000).flat_map(move |n| std::iter::repeat_n(n, 2_000 / (n + 1) + usize::from(n % 4 == thread)))
}

#[test]
fn four_threads_lose_no_count_while_somebody_reads() {
    let (pods, other) = (key("pods"), key("other"));
    let flags = flags(&[pods.clone(), other.clone()]);
    let accounts = accounts(20_000);
    let done = AtomicBool::new(false);
    let on = thread::scope(|scope| {
        let count = |thread| {
            let (mut evaluator, accounts, pods) = (flags.evaluator(), &accounts, &pods);
            move || {
                let on = asked(thread).filter(|n| evaluator.is_on(pods, &Subject::account(&accounts[*n]), false));
                u64::try_from(on.count()).unwrap()
            }
        };
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(count(thread))).collect();
        let reader = scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let seen = flags.exposure().flag(&pods).map_or(0, |counted| counted.on + counted.off);
                assert!(seen >= last, "{seen} after {last}");
                last = seen;
            }
        });
        let on = threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>();
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        on
    });
    let mut times = BTreeMap::<usize, u64>::new();
    (0..4).flat_map(asked).for_each(|n| *times.entry(n).or_default() += 1);
    let all: u64 = times.values().sum();

    let counted = flags.exposure().flag(&pods).unwrap();
    assert_eq!((counted.on, counted.on + counted.off), (on, all));
    let error = counted.distinct_accounts as f64 / times.len() as f64 - 1.0;
    assert!(error.abs() < 3.0 * 0.0163, "{error}");

    // Never too low; too high by more than the bound in few cases.
    let bound = 0.00034 * all as f64;
    let over: Vec<f64> = times
        .iter()
        .map(|(n, times)| flags.exposure().of_account(&pods, &accounts[*n]) as f64 - *times as f64)
        .collect();
    assert!(over.iter().all(|over| *over >= 0.0));
    let beyond = over.iter().filter(|over| **over > bound).count();
    assert!((beyond as f64) < 0.02 * over.len() as f64, "{beyond} of {} by more than {bound}", over.len());

    // An account is missing only if it is not more than an eighth busier than one that is there.
    let least = counted.busiest.last().unwrap().evaluations as f64;
    for (n, times) in &times {
        let is_there = counted.busiest.iter().any(|busy| busy.account == accounts[*n]);
        assert!(is_there || *times as f64 <= (least + bound) * 9.0 / 8.0, "{n} with {times}, the least has {least}");
    }
    assert_eq!(counted.busiest.len(), 64);
    assert_eq!(counted.busiest[0].account, accounts[0]);
    let untouched = flags.exposure().flag(&other).unwrap();
    assert_eq!((untouched.on, untouched.off, untouched.distinct_accounts, untouched.last), (0, 0, 0, None));
}

#[test]
fn the_last_time_is_that_of_the_look_that_found_more() {
    let pods = key("pods");
    let flags = flags(std::slice::from_ref(&pods));
    let account = AccountId::new("acme").unwrap();
    let mut evaluator = flags.evaluator();
    let last = |flags: &Flags| flags.exposure().flag(&pods).and_then(|counted| counted.last);
    let mut look = |evaluate: bool, millis: u64| {
        if evaluate {
            evaluator.is_on(&pods, &Subject::account(&account), false);
        }
        flags.exposure().observe(Timestamp::from_millis(millis));
        last(&flags).map(Timestamp::as_millis)
    };
    assert_eq!(look(false, 1), None);
    assert_eq!(look(true, 2), Some(2));
    assert_eq!(look(false, 3), Some(2));
    assert_eq!(look(true, 4), Some(4));
}

#[test]
fn threads_that_come_and_go_leave_their_counts_and_no_memory() {
    let pods = key("pods");
    let flags = flags(std::slice::from_ref(&pods));
    let account = AccountId::new("acme").unwrap();
    for _ in 0..200 {
        flags.evaluator().is_on(&pods, &Subject::account(&account), false);
    }
    assert_eq!(flags.exposure().of_account(&pods, &account), 200);
    assert_eq!(flags.exposure().sheets(), 2, "one that is gone last, and one for all before it");
}
