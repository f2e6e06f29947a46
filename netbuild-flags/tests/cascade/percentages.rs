//! Percentages over a million ids: even, and independent of each other.

use netbuild_core::model::{AccountId, ProjectId};
use netbuild_flags::{FlagKey, account_bucket, project_bucket};

use crate::support::{account, key, project};

const IDS: usize = 1_000_000;

fn ids() -> impl Iterator<Item = AccountId> {
    (0..IDS).map(|n| account(&format!("account-{n:016}")))
}

/// Pearson's statistic of counts that should be equal.
fn chi_square(counts: &[u32]) -> f64 {
    let expected = counts.iter().map(|count| f64::from(*count)).sum::<f64>() / counts.len() as f64;
    counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
}

/// The statistic is asymptotically normal with mean `k - 1` and variance `2 (k - 1)`: five sigma are passed by chance
/// less than once in a million. The ids are fixed, so it happens always or never.
fn assert_even(counts: &[u32], what: &str) {
    let freedom = counts.len() as f64 - 1.0;
    let sigmas = (chi_square(counts) - freedom) / (2.0 * freedom).sqrt();
    assert!(sigmas.abs() < 5.0, "{what}: {sigmas} sigmas");
}

#[test]
fn buckets_are_even() {
    let (flag, site) = (key("builds-in-pods"), project("site"));
    let mut counts = [vec![0_u32; 10_000], vec![0_u32; 10_000], vec![0_u32; 10_000]];
    let one = account("one-account");
    for (n, id) in ids().enumerate() {
        let of_one = project(&format!("project-{n}"));
        for (counts, bucket) in counts.iter_mut().zip([
            account_bucket(&flag, &id),
            project_bucket(&flag, &id, &site),
            project_bucket(&flag, &one, &of_one),
        ]) {
            counts[usize::from(bucket)] += 1;
        }
    }
    for (counts, what) in counts.iter().zip(["accounts", "projects of one name", "projects of one account"]) {
        assert_even(counts, what);
    }
}

/// Counts pairs of hundredths: 100 by 100 cells, even only if the two are independent.
fn pairs(first: impl Fn(&AccountId) -> u16, second: impl Fn(&AccountId) -> u16) -> Vec<u32> {
    let mut cells = vec![0_u32; 10_000];
    for id in ids() {
        cells[usize::from(first(&id) / 100) * 100 + usize::from(second(&id) / 100)] += 1;
    }
    cells
}

#[test]
fn flags_are_independent_of_each_other() {
    // Keys that differ in little.
    for (a, b) in [("flag-1", "flag-2"), ("a", "b"), ("builds-in-pods", "builds-in-pods2")] {
        let cells = pairs(|id| account_bucket(&key(a), id), |id| account_bucket(&key(b), id));
        assert_even(&cells, &format!("{a} and {b}"));
    }
}

#[test]
fn accounts_and_projects_are_independent_of_each_other() {
    let (flag, site) = (key("builds-in-pods"), project("site"));
    assert_even(&pairs(|id| account_bucket(&flag, id), |id| project_bucket(&flag, id, &site)), "of one flag");
    // The project has its account's name.
    let same = |id: &AccountId| project_bucket(&flag, id, &ProjectId::new(id.as_str()).unwrap());
    assert_even(&pairs(|id| account_bucket(&flag, id), same), "of one name");
}

#[test]
fn two_projects_of_an_account_are_independent_of_each_other() {
    let flag: FlagKey = key("flag");
    let (site, shop) = (project("site"), project("shop"));
    assert_even(&pairs(|id| project_bucket(&flag, id, &site), |id| project_bucket(&flag, id, &shop)), "site and shop");
}
