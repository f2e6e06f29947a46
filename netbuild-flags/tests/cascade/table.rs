//! Every rule above every other.

use netbuild_core::model::Timestamp;
use netbuild_flags::{
    Attributes, Definition, DefinitionError, Definitions, Flags, GroupName, Overrides, Percentage, ProjectOf, Ramp,
    Rule, Share, Snapshot, Steps, Subject, Value,
};

use crate::support::{account, definitions, key, project, snapshot, snapshot_with};

/// What a rule changes in a flag and in the environment, the words for it, and what it says.
type Change = (fn(&mut Definition, &mut Overrides), &'static str, bool);

fn acme_site() -> ProjectOf {
    ProjectOf { account: account("acme"), project: project("site") }
}

/// In their order. Two lines where a rule has two answers.
fn rules() -> Vec<(usize, Change)> {
    vec![
        (0, (|flag, _| flag.kill = true, "kill switch", false)),
        (
            1,
            (
                |flag, _| {
                    flag.excluded_projects.insert(acme_site());
                },
                "project excluded",
                false,
            ),
        ),
        (
            2,
            (
                |flag, _| {
                    flag.excluded_accounts.insert(account("acme"));
                },
                "account excluded",
                false,
            ),
        ),
        (3, (|_, overrides| *overrides = overrides.clone().with(&key("flag"), true), "override of this process", true)),
        (
            3,
            (
                |_, overrides| *overrides = overrides.clone().with(&key("flag"), false),
                "override of this process",
                false,
            ),
        ),
        (4, (|flag, _| flag.global = true, "global", true)),
        (
            5,
            (
                |flag, _| {
                    flag.accounts.insert(account("acme"));
                },
                "account",
                true,
            ),
        ),
        (
            6,
            (
                |flag, _| {
                    flag.projects.insert(acme_site());
                },
                "project",
                true,
            ),
        ),
        (
            7,
            (
                |flag, _| {
                    flag.groups.insert(GroupName::new("teams").unwrap());
                },
                "group teams",
                true,
            ),
        ),
        (8, (|flag, _| flag.accounts_share = Share::Fixed(Percentage::ALL), "100% of accounts", true)),
        (9, (|flag, _| flag.projects_share = Share::Fixed(Percentage::ALL), "100% of projects", true)),
    ]
}

#[test]
fn of_every_set_of_rules_the_first_decides_and_the_others_are_named_as_lost() {
    let team = Attributes::new().with("plan", Value::Text("team".to_owned()));
    let (acme, site) = (account("acme"), project("site"));
    let subject = Subject::project(&acme, &site).with_account_attributes(&team);
    let rules = rules();
    for set in 0_u32..1 << rules.len() {
        let chosen: Vec<&(usize, Change)> =
            rules.iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0).map(|(_, rule)| rule).collect();
        // An override says one thing.
        if chosen.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            continue;
        }
        let (mut flag, mut overrides) = (Definition::default(), Overrides::none());
        chosen.iter().for_each(|(_, (change, ..))| change(&mut flag, &mut overrides));
        let snapshot = snapshot_with(flag, &overrides);
        let explanation = snapshot.explain(&key("flag"), &subject, true);
        let expected: Vec<(bool, String)> =
            chosen.iter().map(|(_, (_, words, on))| (*on, (*words).to_owned())).collect();
        let mut told = vec![(explanation.decision.on, explanation.rule.to_string())];
        told.extend(explanation.lost.iter().map(|(on, rule)| (*on, rule.to_string())));
        if expected.is_empty() {
            assert_eq!(told, [(false, "no rule says on".to_owned())]);
        } else {
            assert_eq!(told, expected);
        }
        assert_eq!(explanation.decision, snapshot.evaluate(&key("flag"), &subject, true));
    }
}

#[test]
fn a_rule_concerns_whom_it_names_and_nobody_else() {
    let (acme, other, site) = (account("acme"), account("other"), project("site"));
    let shop = project("shop");
    let subjects = [
        Subject::account(&acme),
        Subject::project(&acme, &site),
        Subject::project(&acme, &shop),
        Subject::account(&other),
        // A project of the same name that is somebody else's.
        Subject::project(&other, &site),
    ];
    for (rule, (change, words, _)) in rules() {
        let (mut flag, mut overrides) = (Definition::default(), Overrides::none());
        change(&mut flag, &mut overrides);
        let snapshot = snapshot_with(flag, &overrides);
        let expected = match rule {
            0 | 3 | 4 | 8 => [true; 5],
            2 | 5 => [true, true, true, false, false],
            1 | 6 => [false, true, false, false, false],
            9 => [false, true, true, false, true],
            // Nobody has the attribute.
            _ => [false; 5],
        };
        let decided = subjects.map(|subject| snapshot.explain(&key("flag"), &subject, false).rule.to_string() == words);
        assert_eq!(decided, expected, "{words}");
    }
}

#[test]
fn an_unknown_flag_and_a_cold_start_answer_the_callers_default() {
    let acme = account("acme");
    let subject = Subject::account(&acme);
    let snapshot = snapshot(Definition::default());
    let flags = Flags::new(Overrides::none().with(&key("flag"), true));
    for default in [true, false] {
        let unknown = snapshot.evaluate(&key("other"), &subject, default);
        assert_eq!((unknown.on, unknown.rule), (default, Rule::UnknownFlag));
        let cold = flags.evaluator().evaluate(&key("flag"), &subject, default);
        assert_eq!((cold.on, cold.rule, cold.version), (default, Rule::NoSnapshot, 0));
        assert_eq!(cold, flags.evaluate(&key("flag"), &subject, default));
    }
}

#[test]
fn definitions_that_are_refused_change_nothing_and_are_told() {
    let flags = Flags::new(Overrides::none());
    let good = definitions(Definition { global: true, ..Definition::default() });
    assert!(flags.publish(good.clone(), Some(7), Timestamp::from_millis(1)).unwrap());
    let before = flags.status();
    let ramp = |start, end| {
        let ends = [Timestamp::from_millis(start), Timestamp::from_millis(end)];
        Share::Ramp(Ramp { from: Percentage::NONE, to: Percentage::ALL, start: ends[0], end: ends[1] })
    };
    let steps = |steps: &[u16]| {
        let steps = steps.iter().map(|step| Percentage::from_hundredths(*step)).collect();
        Share::Steps(Steps { steps, at: 0, since: Timestamp::EPOCH, hold_seconds: 1 })
    };
    let share = |share: Share| definitions(Definition { accounts_share: share, ..Definition::default() });
    let with = |change: fn(&mut Definitions)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    for (bad, words) in [
        (share(ramp(2, 1)), "flag flag: the ramp ends before it starts"),
        (share(steps(&[])), "flag flag: steps are"),
        (share(steps(&[5, 5])), "flag flag: steps are"),
        (with(|fine| fine.groups.clear()), ""),
        (with(|bad| bad.attributes.clear()), "group teams: line 1, column 1: no attribute `account.plan`"),
        (
            with(|bad| {
                bad.attributes.insert("plan".to_owned(), netbuild_flags::ValueType::Text);
            }),
            "attribute \"plan\"",
        ),
        (
            with(|bad| {
                bad.flags.get_mut(&key("flag")).unwrap().groups.insert(GroupName::new("nobody").unwrap());
            }),
            "flag flag: there is no group nobody",
        ),
    ] {
        match flags.publish(bad, Some(8), Timestamp::from_millis(2)) {
            Ok(_) => assert!(words.is_empty(), "{words}"),
            Err(error) => {
                assert!(!words.is_empty() && error.to_string().starts_with(words), "{error}");
                let status = flags.status();
                assert_eq!((status.version, status.problem), (before.version, Some(error.to_string())));
            }
        }
        flags.publish(good.clone(), Some(7), Timestamp::from_millis(1)).unwrap();
        assert_eq!(flags.status(), before);
    }
    let many = Definitions {
        flags: (0..=10_000).map(|n| (key(&format!("f{n}")), Definition::default())).collect(),
        ..Definitions::default()
    };
    let error = flags.publish(many, None, Timestamp::EPOCH).unwrap_err();
    assert_eq!(error, DefinitionError::TooMany { what: "flags", found: 10_001, limit: 10_000 });
}

#[test]
fn the_version_is_that_of_the_answers() {
    let of = |definition: Definition| snapshot(definition).version();
    let flag = || Definition { accounts_share: Share::Fixed(Percentage::from_hundredths(50)), ..Definition::default() };
    assert_eq!(of(flag()), of(Definition { description: "words change no answer".to_owned(), ..flag() }));
    assert_ne!(of(flag()), of(Definition { kill: true, ..flag() }));
    assert_ne!(of(flag()), of(Definition::default()));
    let overridden = snapshot_with(flag(), &Overrides::none().with(&key("flag"), false));
    assert_ne!(of(flag()), overridden.version());

    let ramp = Ramp {
        from: Percentage::NONE,
        to: Percentage::from_hundredths(100),
        start: Timestamp::EPOCH,
        end: Timestamp::from_millis(1_000),
    };
    let definitions = definitions(Definition { accounts_share: Share::Ramp(ramp), ..Definition::default() });
    let at = |millis| Snapshot::new(definitions.clone(), &Overrides::none(), Timestamp::from_millis(millis)).unwrap();
    assert_eq!(at(500).version(), of(flag()), "on the way it is what it is now");
    assert_eq!(at(500).version(), at(509).version());
    assert_ne!(at(500).version(), at(510).version());
    assert_eq!((at(500).next_change(), at(1_000).next_change()), (Some(Timestamp::from_millis(510)), None));
}

#[test]
fn a_ramp_moves_by_ticks_and_stays_in_the_definitions() {
    let flags = Flags::new(Overrides::none());
    let end = Timestamp::from_millis(100);
    let ramp = Ramp { from: Percentage::NONE, to: Percentage::ALL, start: Timestamp::EPOCH, end };
    let flag = Definition { accounts_share: Share::Ramp(ramp), ..Definition::default() };
    flags.publish(definitions(flag), None, Timestamp::EPOCH).unwrap();
    let acme = account("acme");
    let subject = Subject::account(&acme);
    let when = ramp.when(netbuild_flags::account_bucket(&key("flag"), &acme)).unwrap();
    let mut evaluator = flags.evaluator();
    let mut changes = 0;
    for millis in 0..=110 {
        let now = Timestamp::from_millis(millis);
        changes += u32::from(flags.tick(now));
        assert_eq!(evaluator.is_on(&key("flag"), &subject, false), now >= when, "at {millis} of {when}");
    }
    assert_eq!(changes, 100);
    assert!(flags.snapshot().unwrap().next_change().is_none());
}
