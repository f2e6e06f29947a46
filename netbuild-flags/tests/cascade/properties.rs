//! Laws of the cascade, for any definitions and subjects.

use netbuild_core::model::Timestamp;
use netbuild_flags::{
    Attributes, Definition, DefinitionError, Definitions, Flags, GroupName, Overrides, Percentage, ProjectOf, Rule,
    Share, Snapshot, Subject, Value,
};
use proptest::prelude::*;

use crate::support::{account, definitions, key, project, snapshot, snapshot_with};

fn share() -> impl Strategy<Value = Share> {
    (0_u16..=10_000).prop_map(|hundredths| Share::Fixed(Percentage::from_hundredths(hundredths)))
}

fn project_of() -> impl Strategy<Value = ProjectOf> {
    ("[ab]", "[ab]").prop_map(|(a, p)| ProjectOf { account: account(&a), project: project(&p) })
}

prop_compose! {
    fn definition()(
        kill in prop::bool::weighted(0.1),
        global in prop::bool::weighted(0.1),
        excluded_accounts in prop::collection::btree_set("[ab]".prop_map(|text| account(&text)), 0..2),
        excluded_projects in prop::collection::btree_set(project_of(), 0..2),
        accounts in prop::collection::btree_set("[ab]".prop_map(|text| account(&text)), 0..2),
        projects in prop::collection::btree_set(project_of(), 0..2),
        group in any::<bool>(),
        accounts_share in share(),
        projects_share in share(),
    ) -> Definition {
        let groups = group.then(|| GroupName::new("teams").unwrap()).into_iter().collect();
        Definition {
            description: String::new(), kill, excluded_accounts, excluded_projects, global, accounts, projects, groups,
            accounts_share, projects_share,
        }
    }
}

/// The answer by the words of the issue, written out.
fn naive(flag: &Definition, overridden: Option<bool>, who: &ProjectOf, team: bool) -> bool {
    let excluded = flag.excluded_accounts.contains(&who.account) || flag.excluded_projects.contains(who);
    let part = |share: &Share, bucket| share.at(Timestamp::EPOCH).holds(bucket);
    let key = key("flag");
    !flag.kill
        && !excluded
        && overridden.unwrap_or(
            flag.global
                || flag.accounts.contains(&who.account)
                || flag.projects.contains(who)
                || (team && !flag.groups.is_empty())
                || part(&flag.accounts_share, netbuild_flags::account_bucket(&key, &who.account))
                || part(&flag.projects_share, netbuild_flags::project_bucket(&key, &who.account, &who.project)),
        )
}

proptest! {
    #[test]
    fn the_cascade_answers_as_its_words_say(
        flag in definition(), overridden in any::<Option<bool>>(), who in project_of(), team in any::<bool>(),
    ) {
        let overrides = overridden.map_or(Overrides::none(), |on| Overrides::none().with(&key("flag"), on));
        let snapshot = snapshot_with(flag.clone(), &overrides);
        let plan = Attributes::new().with("plan", Value::Text(if team { "team" } else { "free" }.to_owned()));
        let subject = Subject::project(&who.account, &who.project).with_account_attributes(&plan);
        let decision = snapshot.evaluate(&key("flag"), &subject, true);
        prop_assert_eq!(decision.on, naive(&flag, overridden, &who, team));
        let explanation = snapshot.explain(&key("flag"), &subject, true);
        prop_assert_eq!(explanation.decision, decision);
        prop_assert_eq!(explanation.rule, snapshot.words(decision.rule));
    }

    #[test]
    fn raising_a_percentage_moves_nobody_out(
        flag in definition(), raised in 0_u16..=10_000, account_name in "[a-z]{1,8}", project_name in "[a-z]{1,8}",
        of_accounts in any::<bool>(),
    ) {
        let (account, project) = (account(&account_name), project(&project_name));
        let subject = Subject::project(&account, &project);
        let was = snapshot(flag.clone()).evaluate(&key("flag"), &subject, false).on;
        let mut higher = flag;
        let share = if of_accounts { &mut higher.accounts_share } else { &mut higher.projects_share };
        let percentage = share.at(Timestamp::EPOCH).max(Percentage::from_hundredths(raised));
        *share = Share::Fixed(percentage);
        let is = snapshot(higher).evaluate(&key("flag"), &subject, false).on;
        prop_assert!(is || !was);
    }

    #[test]
    fn other_flags_groups_and_lists_change_no_answer(
        flag in definition(), others in prop::collection::btree_map("[a-e]", definition(), 0..5), who in project_of(),
    ) {
        let subject = Subject::project(&who.account, &who.project);
        let alone = snapshot(flag.clone()).evaluate(&key("flag"), &subject, false);
        let mut more: Definitions = definitions(flag);
        more.groups.insert(GroupName::new("all").unwrap(), "not account.plan == \"x\"".to_owned());
        more.flags.extend(others.into_iter().map(|(name, other)| (key(&name), other)));
        let among = Snapshot::new(more, &Overrides::none(), Timestamp::EPOCH).unwrap();
        let decision = among.evaluate(&key("flag"), &subject, false);
        prop_assert_eq!(decision.on, alone.on);
        prop_assert_eq!(among.words(decision.rule), snapshot_words(&alone.rule, &among));
    }

    #[test]
    fn the_excluded_are_out_and_a_killed_flag_is_off(mut flag in definition(), who in project_of(), on in any::<bool>()) {
        let overrides = Overrides::none().with(&key("flag"), on);
        let subject = Subject::project(&who.account, &who.project);
        flag.excluded_projects.insert(who.clone());
        prop_assert!(!snapshot_with(flag.clone(), &overrides).evaluate(&key("flag"), &subject, true).on);
        flag.kill = true;
        let decision = snapshot_with(flag, &overrides).evaluate(&key("flag"), &subject, true);
        prop_assert_eq!((decision.on, decision.rule), (false, Rule::KillSwitch));
    }

    #[test]
    fn any_text_of_a_group_is_read_or_refused_at_a_place_in_it(
        text in prop_oneof![".{0,40}", r#"(account\.plan|not|and|or|in|==|\(|\)|\[|\]|,|"[a-z]*"|-?[0-9.]*| |\n){0,20}"#],
    ) {
        let mut defined = definitions(Definition::default());
        defined.groups.insert(GroupName::new("any").unwrap(), text.clone());
        if let Err(error) = Snapshot::new(defined, &Overrides::none(), Timestamp::EPOCH) {
            let DefinitionError::Group { error, .. } = error else { panic!("{error}") };
            prop_assert!(text.get(error.at..).is_some(), "{} is no place in {text:?}", error.at);
            prop_assert!(error.to_string().ends_with('^'));
        }
    }

    #[test]
    fn texts_keep_definitions_as_they_are(flag in definition()) {
        let definitions = definitions(flag);
        let text = serde_json::to_string(&definitions).unwrap();
        prop_assert_eq!(serde_json::from_str::<Definitions>(&text).unwrap(), definitions);
    }

    #[test]
    fn an_evaluator_answers_and_counts_as_the_snapshot_does(flag in definition(), who in prop::collection::vec(project_of(), 1..50)) {
        let flags = Flags::new(Overrides::none());
        flags.publish(definitions(flag), None, Timestamp::EPOCH).unwrap();
        let snapshot = flags.snapshot().unwrap();
        let mut evaluator = flags.evaluator();
        let mut on = 0;
        for who in &who {
            let subject = Subject::project(&who.account, &who.project);
            let decision = evaluator.evaluate(&key("flag"), &subject, false);
            prop_assert_eq!(decision, snapshot.evaluate(&key("flag"), &subject, false));
            prop_assert_eq!(decision, flags.evaluate(&key("flag"), &subject, false));
            on += u64::from(decision.on);
        }
        // Half of it is counted by one that is gone.
        drop(evaluator);
        let mut second = flags.evaluator();
        for who in &who {
            on += u64::from(second.is_on(&key("flag"), &Subject::project(&who.account, &who.project), false));
        }
        let counted = flags.exposure().flag(&key("flag")).unwrap();
        prop_assert_eq!((counted.on, counted.on + counted.off), (on, 2 * who.len() as u64));
        let accounts: std::collections::BTreeSet<_> = who.iter().map(|who| &who.account).collect();
        prop_assert_eq!(counted.distinct_accounts, accounts.len() as u64);
        for account in accounts {
            let times = 2 * who.iter().filter(|who| who.account == *account).count() as u64;
            prop_assert_eq!(flags.exposure().of_account(&key("flag"), account), times);
            prop_assert!(counted.busiest.iter().any(|busy| busy.account == *account && busy.evaluations == times));
        }
    }
}

/// Groups have other places in a snapshot with more of them.
fn snapshot_words(rule: &Rule, among: &Snapshot) -> netbuild_flags::RuleWords {
    match rule {
        Rule::Group(_) => snapshot(Definition::default()).words(*rule),
        rule => among.words(*rule),
    }
}
