//! Who would move, by rule and by name.

use std::sync::Arc;

use netbuild_core::model::{AccountId, ProjectId, Timestamp};
use netbuild_core::testkit::fixtures::{account, build};
use netbuild_flags::preview::{Change, MAX_SAMPLE};
use netbuild_flags::{AttributeLookup, Attributes, Definition, FlagKey, NoAttributes, Overrides, Snapshot, Value};

use crate::support::{definitions, flag, memory, percent, project_of, snapshot};

#[tokio::test]
async fn it_tells_who_moves_in_and_who_out_by_the_rules_before_and_after() {
    let before = snapshot(Definition { accounts: [account("account-0000001")].into(), ..Definition::default() });
    let edit = Definition {
        excluded_projects: [project_of("account-0000004", "site-0")].into(),
        groups: ["teams".parse().unwrap()].into(),
        ..Definition::default()
    };
    let after = before.edited(definitions(edit), &Overrides::none()).unwrap();
    let preview = Change::between(&before, &after).over_directory(&memory(28), |_| ()).await.unwrap();
    // Teams are the accounts 0, 4, 8, … 24: with 0, 4, 1, 5, 2, 6 and 3 projects.
    let expected = "\
pods
  accounts: 7 move in, 1 out; on for 1 before, 7 after, of 28
    1 out: account -> no rule says on (account-0000001)
    7 in: no rule says on -> group teams (account-0000000, account-0000004, account-0000008, account-0000012, \
account-0000016, …)
  projects: 20 move in, 1 out; on for 1 before, 20 after, of 84
    1 out: account -> no rule says on (account-0000001/site-0)
    20 in: no rule says on -> group teams (account-0000004/site-1, account-0000004/site-2, account-0000004/site-3, \
account-0000008/site-0, account-0000012/site-0, …)";
    assert_eq!(preview.to_string(), expected);
    let moves = &preview.flags[0].accounts;
    assert_eq!((moves.moved_in(), moves.moved_out(), moves.by_rule[1].sample.len()), (7, 1, MAX_SAMPLE));
    assert!(!preview.is_empty());
}

#[test]
fn only_flags_that_could_move_somebody_are_looked_at() {
    let (other, new) = (FlagKey::new("cache").unwrap(), FlagKey::new("new").unwrap());
    let grouped = || Definition { groups: ["teams".parse().unwrap()].into(), ..Definition::default() };
    let mut definitions = definitions(grouped());
    definitions.flags.insert(other.clone(), Definition { accounts_share: percent(5.0), ..Definition::default() });
    let none = Overrides::none();
    let before = Snapshot::new(definitions.clone(), &none, Timestamp::EPOCH).unwrap();
    let flags = |edit: &dyn Fn(&mut netbuild_flags::Definitions), overrides: &Overrides| {
        let mut edited = definitions.clone();
        edit(&mut edited);
        let after = before.edited(edited, overrides).unwrap();
        Change::between(&before, &after).flags().to_vec()
    };
    assert!(flags(&|_| (), &none).is_empty());
    let describe = |to: &mut netbuild_flags::Definitions| {
        "what for".clone_into(&mut to.flags.get_mut(&other).unwrap().description)
    };
    assert!(flags(&describe, &none).is_empty(), "a description moves nobody");
    let raise = |to: &mut netbuild_flags::Definitions| to.flags.get_mut(&other).unwrap().accounts_share = percent(6.0);
    assert_eq!(flags(&raise, &none), std::slice::from_ref(&other));
    let regroup = |to: &mut netbuild_flags::Definitions| {
        to.groups.insert("teams".parse().unwrap(), r#"account.plan == "free""#.to_owned());
    };
    assert_eq!(flags(&regroup, &none), [flag()]);
    let add = |to: &mut netbuild_flags::Definitions| drop(to.flags.insert(new.clone(), Definition::default()));
    assert_eq!(flags(&add, &none), std::slice::from_ref(&new));
    let remove = |to: &mut netbuild_flags::Definitions| drop(to.flags.remove(&flag()));
    assert_eq!(flags(&remove, &none), [flag()]);
    let overridden = Overrides::from_vars([("NETBUILD_FLAG_CACHE", "on")]).unwrap();
    assert_eq!(flags(&|_| (), &overridden), std::slice::from_ref(&other));
}

#[tokio::test]
async fn a_flag_that_is_not_there_yet_is_off_before() {
    let after = snapshot(Definition { global: true, ..Definition::default() });
    let before = after.edited(netbuild_flags::Definitions::default(), &Overrides::none()).unwrap();
    let preview = Change::between(&before, &after).over_directory(&memory(3), |_| ()).await.unwrap();
    let moves = &preview.flags[0].projects;
    assert_eq!((moves.moved_in(), moves.on_before, moves.on_after, moves.of), (3, 0, 3, 3));
    assert_eq!(moves.by_rule[0].before.to_string(), "unknown flag");
}

/// Knows the plan of one account, and a project of another.
#[derive(Debug)]
struct Known;

impl AttributeLookup for Known {
    fn of_account(&self, account: &AccountId) -> Option<Arc<Attributes>> {
        let team = || Arc::new(Attributes::new().with("plan", Value::Text("team".to_owned())));
        (account.as_str() == "acme").then(team)
    }

    fn of_project(&self, account: &AccountId, _project: &ProjectId) -> Option<Arc<Attributes>> {
        let modern = || Arc::new(Attributes::new().with("node", Value::Number(22.0)));
        (account.as_str() == "globex").then(modern)
    }
}

#[test]
fn recorded_builds_tell_who_would_have_moved() {
    let before = snapshot(Definition::default());
    let grouped =
        Definition { groups: ["teams".parse().unwrap(), "modern".parse().unwrap()].into(), ..Definition::default() };
    let after = before.edited(definitions(grouped), &Overrides::none()).unwrap();
    let builds =
        [build("acme", "site", 1), build("acme", "site", 2), build("globex", "shop", 3), build("initech", "x", 4)];
    let preview = Change::between(&before, &after).over_builds(&builds, &Known);
    let moves = &preview.flags[0].builds;
    assert_eq!((moves.of, moves.on_before, moves.on_after), (4, 0, 3));
    let by_rule: Vec<_> = moves.by_rule.iter().map(|by| (by.after.to_string(), by.sample.clone())).collect();
    let key = |n: usize| builds[n].key().to_string();
    assert_eq!(by_rule, [("group modern".to_owned(), vec![key(2)]), ("group teams".to_owned(), vec![key(0), key(1)]),]);
    let unknown = Change::between(&before, &after).over_builds(&builds, &NoAttributes);
    assert!(unknown.is_empty());
    assert_eq!(unknown.to_string(), "pods\n  builds: nobody moves; on for 0 of 4");
}
