//! What a reach counts, and a preview, is what asking one by one tells.

use netbuild_core::model::Timestamp;
use netbuild_core::testkit::fixtures::account;
use netbuild_flags::preview::{Change, Moves};
use netbuild_flags::reach::{ReachError, Reached, reach, reach_all};
use netbuild_flags::{Definition, FlagKey, Overrides, Snapshot};
use proptest::prelude::*;

use crate::support::{customers, flag, memory, naive, percent, project_of, snapshot};

fn by_rule(reached: &Reached) -> Vec<(String, bool, u64)> {
    reached.by_rule.iter().map(|by| (by.rule.to_string(), by.on, by.count)).collect()
}

#[tokio::test]
async fn every_rule_has_its_count() {
    // Accounts 0 to 13 have 0 to 6 projects twice: 42. Teams are 0, 4, 8 and 12.
    let directory = memory(14);
    let definition = Definition {
        excluded_accounts: [account("account-0000004")].into(),
        excluded_projects: [project_of("account-0000012", "site-0")].into(),
        accounts: [account("account-0000005"), account("account-9999999")].into(),
        projects: [project_of("account-0000006", "site-1")].into(),
        groups: ["teams".parse().unwrap()].into(),
        ..Definition::default()
    };
    let snapshot = snapshot(definition);
    let reach = reach(&snapshot, &flag(), &directory, |_| ()).await.unwrap();
    assert_eq!((reach.accounts.on, reach.accounts.of), (4, 14));
    assert_eq!((reach.projects.on, reach.projects.of), (5 + 1 + 1 + 4, 42));
    let rows = |rows: &[(&str, bool, u64)]| -> Vec<(String, bool, u64)> {
        rows.iter().map(|(rule, on, count)| ((*rule).to_owned(), *on, *count)).collect()
    };
    let accounts = rows(&[
        ("account excluded", false, 1),
        ("account", true, 1),
        ("group teams", true, 3),
        ("no rule says on", false, 9),
    ]);
    let projects = rows(&[
        ("project excluded", false, 1),
        ("account excluded", false, 4),
        ("account", true, 5),
        ("project", true, 1),
        ("group teams", true, 5),
        ("no rule says on", false, 26),
    ]);
    assert_eq!(by_rule(&reach.accounts), accounts);
    assert_eq!(by_rule(&reach.projects), projects);
    let said = "\
on for 4 of 14
    1 off: account excluded
    1 on: account
    3 on: group teams
    9 off: no rule says on";
    assert_eq!(reach.accounts.to_string(), said);
}

#[tokio::test]
async fn several_flags_in_one_walk_are_as_each_by_itself_and_an_unknown_one_is_told() {
    let other = FlagKey::new("cache").unwrap();
    let mut definitions = snapshot(Definition { global: true, ..Definition::default() }).definitions().clone();
    definitions.flags.insert(other.clone(), Definition { accounts_share: percent(30.0), ..Definition::default() });
    let snapshot = Snapshot::new(definitions, &Overrides::none(), Timestamp::EPOCH).unwrap();
    let directory = memory(500);
    let all = reach_all(&snapshot, &[other.clone(), flag()], &directory, |_| ()).await.unwrap();
    assert_eq!(all[0], reach(&snapshot, &other, &directory, |_| ()).await.unwrap());
    assert_eq!(all[1], reach(&snapshot, &flag(), &directory, |_| ()).await.unwrap());
    let unknown = FlagKey::new("unknown").unwrap();
    let refused = reach(&snapshot, &unknown, &directory, |_| ()).await;
    assert!(matches!(refused, Err(ReachError::UnknownFlag(flag)) if flag == unknown));
}

const ACCOUNTS: u32 = 60;

fn any_definition() -> impl Strategy<Value = Definition> {
    let accounts = || prop::collection::btree_set((0..ACCOUNTS).prop_map(|n| crate::support::nth_account(n).0), 0..6);
    let projects = || {
        let project = (0..ACCOUNTS, 0..6_u32);
        prop::collection::btree_set(
            project.prop_map(|(n, site)| project_of(&format!("account-{n:07}"), &format!("site-{site}"))),
            0..6,
        )
    };
    let groups = prop::collection::btree_set(prop::sample::select(vec!["teams", "modern"]), 0..3);
    let shares = (0..=100_u8, 0..=100_u8);
    let switches = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (switches, accounts(), projects(), accounts(), projects(), groups, shares).prop_map(
        |((kill, global), excluded_accounts, excluded_projects, accounts, projects, groups, shares)| Definition {
            kill,
            global,
            excluded_accounts,
            excluded_projects,
            accounts,
            projects,
            groups: groups.into_iter().map(|group| group.parse().unwrap()).collect(),
            accounts_share: percent(f64::from(shares.0)),
            projects_share: percent(f64::from(shares.1)),
            ..Definition::default()
        },
    )
}

fn balance(moves: &Moves) {
    assert_eq!(moves.on_before + moves.moved_in() - moves.moved_out(), moves.on_after);
    assert!(moves.moved_in() + moves.moved_out() <= moves.of);
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reach_is_what_asking_one_by_one_tells(definition in any_definition()) {
        let (snapshot, directory) = (snapshot(definition), memory(ACCOUNTS));
        let reach = run(reach(&snapshot, &flag(), &directory, |_| ())).unwrap();
        prop_assert_eq!((reach.accounts.on, reach.projects.on), naive(&snapshot, ACCOUNTS));
        let projects: usize = customers(ACCOUNTS).map(|(_, _, projects)| projects.len()).sum();
        prop_assert_eq!((reach.accounts.of, reach.projects.of), (u64::from(ACCOUNTS), projects as u64));
        for reached in [&reach.accounts, &reach.projects] {
            prop_assert_eq!(reached.of, reached.by_rule.iter().map(|by| by.count).sum::<u64>());
        }
    }

    #[test]
    fn a_preview_is_the_difference_of_two_reaches(before in any_definition(), after in any_definition()) {
        let (before, after, directory) = (snapshot(before), snapshot(after), memory(ACCOUNTS));
        let change = Change::between(&before, &after).only([flag()]);
        let preview = run(change.over_directory(&directory, |_| ())).unwrap();
        let reaches = [&before, &after].map(|snapshot| run(reach(snapshot, &flag(), &directory, |_| ())).unwrap());
        let of = &preview.flags[0];
        prop_assert_eq!([of.accounts.on_before, of.accounts.on_after], [0, 1].map(|n: usize| reaches[n].accounts.on));
        prop_assert_eq!([of.projects.on_before, of.projects.on_after], [0, 1].map(|n: usize| reaches[n].projects.on));
        balance(&of.accounts);
        balance(&of.projects);
    }

    #[test]
    fn a_flag_that_is_left_out_of_a_change_moves_nobody(before in any_definition(), after in any_definition()) {
        let (before, after, directory) = (snapshot(before), snapshot(after), memory(ACCOUNTS));
        let change = Change::between(&before, &after);
        if change.flags().is_empty() {
            let preview = run(change.only([flag()]).over_directory(&directory, |_| ())).unwrap();
            prop_assert!(preview.is_empty());
        } else {
            prop_assert_ne!(before.version(), after.version());
        }
    }
}
