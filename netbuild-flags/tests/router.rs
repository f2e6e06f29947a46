//! Routes by flags, and what a change would move.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::{AccountId, Build, ExecutorName, ProjectId, Timestamp};
use netbuild_core::policy::Fifo;
use netbuild_core::port::Router;
use netbuild_core::testkit::VirtualRun;
use netbuild_core::testkit::fixtures::build;
use netbuild_flags::router::{FlagRouter, RouteRules, preview_routes};
use netbuild_flags::{
    AttributeLookup, Attributes, Definition, Definitions, FlagKey, Flags, GroupName, NoAttributes, Overrides,
    Percentage, Share, Snapshot, Value, ValueType,
};

fn key(text: &str) -> FlagKey {
    FlagKey::new(text).unwrap()
}

fn executor(text: &str) -> ExecutorName {
    ExecutorName::new(text).unwrap()
}

/// Flag `fast` to `vm`, then flag `pods` to `k8s`, else `docker`.
fn rules() -> RouteRules {
    RouteRules::new(executor("docker")).with(key("fast"), executor("vm")).with(key("pods"), executor("k8s"))
}

fn definitions(fast: Definition, pods: Definition) -> Definitions {
    Definitions { flags: [(key("fast"), fast), (key("pods"), pods)].into(), ..Definitions::default() }
}

fn on() -> Definition {
    Definition { global: true, ..Definition::default() }
}

fn snapshot(definitions: Definitions) -> Snapshot {
    Snapshot::new(definitions, &Overrides::none(), Timestamp::EPOCH).unwrap()
}

#[test]
fn the_first_flag_that_is_on_decides_and_what_is_to_avoid_is_passed_over() {
    let off = Definition::default;
    for (fast, pods, avoid, chosen, flag, words) in [
        (off(), off(), &[][..], "docker", None, "default"),
        (off(), on(), &[], "k8s", Some("pods"), "global"),
        (on(), on(), &[], "vm", Some("fast"), "global"),
        (on(), on(), &["vm"], "k8s", Some("pods"), "global, vm avoided"),
        (on(), on(), &["vm", "k8s"], "docker", None, "default, vm avoided"),
        (on(), on(), &["vm", "k8s", "docker"], "vm", Some("fast"), "global"),
        (off(), on(), &["docker"], "k8s", Some("pods"), "global"),
        (off(), off(), &["docker"], "docker", None, "default"),
    ] {
        let flags = Flags::new(Overrides::none());
        flags.publish(definitions(fast, pods), None, Timestamp::EPOCH).unwrap();
        let router = FlagRouter::new(flags.clone(), rules());
        let avoid: Vec<ExecutorName> = avoid.iter().map(|name| executor(name)).collect();
        let route = router.route(&build("acme", "site", 1), &avoid);
        assert_eq!(
            (route.executor.as_str(), route.flag.as_deref(), &*route.rule, route.snapshot),
            (chosen, flag, words, flags.version()),
            "avoiding {avoid:?}"
        );
    }
}

#[test]
fn before_the_first_snapshot_everything_goes_to_the_default() {
    let router = FlagRouter::new(Flags::new(Overrides::none()), rules());
    let route = router.route(&build("acme", "site", 1), &[]);
    assert_eq!((route.executor.as_str(), route.flag, route.snapshot), ("docker", None, 0));
}

#[test]
fn the_version_changes_with_whatever_could_change_a_route_and_with_nothing_else() {
    let flags = Flags::new(Overrides::none());
    let router = FlagRouter::new(flags.clone(), rules());
    let mut versions = vec![router.version()];
    flags.publish(definitions(on(), on()), None, Timestamp::EPOCH).unwrap();
    versions.push(router.version());
    router.set_rules(RouteRules { rules: rules().rules.into_iter().rev().collect(), ..rules() });
    versions.push(router.version());
    assert_eq!(router.route(&build("acme", "site", 1), &[]).executor.as_str(), "k8s");
    flags.publish(definitions(on(), on()), Some(2), Timestamp::from_millis(5)).unwrap();
    assert_eq!(router.version(), versions[2]);
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 3);
}

/// Accounts whose name begins with `team` have the plan of that name.
#[derive(Debug)]
struct Plans;

impl AttributeLookup for Plans {
    fn of_account(&self, account: &AccountId) -> Option<Arc<Attributes>> {
        let plan = if account.as_str().starts_with("team") { "team" } else { "free" };
        Some(Arc::new(Attributes::new().with("plan", Value::Text(plan.to_owned()))))
    }

    fn of_project(&self, _account: &AccountId, _project: &ProjectId) -> Option<Arc<Attributes>> {
        None
    }
}

#[test]
fn groups_look_at_the_attributes_of_the_hosts_lookup_and_each_question_is_counted() {
    let mut with_group = definitions(Definition::default(), Definition::default());
    let teams = GroupName::new("teams").unwrap();
    with_group.attributes.insert("account.plan".to_owned(), ValueType::Text);
    with_group.groups.insert(teams.clone(), r#"account.plan == "team""#.to_owned());
    with_group.flags.get_mut(&key("pods")).unwrap().groups.insert(teams);
    let flags = Flags::new(Overrides::none());
    flags.publish(with_group, None, Timestamp::EPOCH).unwrap();
    let router = FlagRouter::new(flags.clone(), rules()).with_attributes(Arc::new(Plans));
    let route = router.route(&build("team-1", "site", 1), &[]);
    assert_eq!((route.executor.as_str(), &*route.rule), ("k8s", "group teams"));
    assert_eq!(router.route(&build("acme", "site", 1), &[]).executor.as_str(), "docker");
    let counted = flags.exposure().flag(&key("pods")).unwrap();
    assert_eq!((counted.on, counted.off, counted.distinct_accounts), (1, 1, 2));
}

#[test]
fn a_preview_tells_every_build_that_another_list_or_other_definitions_would_move() {
    let builds: Vec<Build> = (0..1_000).map(|n| build(&format!("account-{n}"), "site", n)).collect();
    let half = || Definition { accounts_share: Share::Fixed(Percentage::from_hundredths(5_000)), ..on() };
    let before = snapshot(definitions(Definition { global: false, ..half() }, Definition { global: false, ..half() }));
    let turned = RouteRules { rules: rules().rules.into_iter().rev().collect(), ..rules() };
    let preview = preview_routes((&rules(), &before), (&turned, &before), &builds, &NoAttributes);
    let goes = |rules: &RouteRules, build| rules.route(Some(&before), build, &NoAttributes, &[]).executor;
    let moved = builds.iter().filter(|build| goes(&rules(), build) != goes(&turned, build)).count();
    // A quarter has both flags.
    assert!((200..300).contains(&moved), "{moved}");
    let (how, of) = preview.moves.first_key_value().unwrap();
    assert_eq!((how.from.as_str(), how.to.as_str(), of.builds, of.first.len()), ("vm", "k8s", moved, 10));
    let words = format!(
        "{moved} of 1000 builds would go elsewhere\n{moved:>8}  vm (fast: 50% of accounts) -> k8s (pods: 50% of accounts)"
    );
    assert_eq!(preview.to_string(), words);

    let killed = snapshot(definitions(Definition { kill: true, ..half() }, on()));
    let preview = preview_routes((&rules(), &before), (&rules(), &killed), &builds, &NoAttributes);
    let counts: Vec<(String, usize)> =
        preview.moves.iter().map(|(how, of)| (format!("{} {}", how.from, how.to), of.builds)).collect();
    let of = |name: &str| builds.iter().filter(|build| goes(&rules(), build).as_str() == name).count();
    assert_eq!(counts, [("docker k8s".to_owned(), of("docker")), ("vm k8s".to_owned(), of("vm"))]);
}

#[test]
fn builds_that_wait_for_one_executor_go_to_another_as_soon_as_the_flag_says_so() {
    let flags = Flags::new(Overrides::none());
    flags.publish(definitions(Definition::default(), Definition::default()), None, Timestamp::EPOCH).unwrap();
    let router = FlagRouter::new(flags.clone(), rules());
    let minute = Duration::from_secs(60);
    let mut run = VirtualRun::new(Fifo::new()).executor("docker", 1).executor("k8s", 1).router(router);
    for n in 0..10 {
        run.submit(Duration::ZERO, build(&format!("account-{}", n % 2), "site", n));
    }
    // Two have run on docker when one of the accounts moves; the third runs there already.
    run.run_until(2 * minute);
    let moved = Definition { accounts: [build("account-1", "site", 0).account].into(), ..Definition::default() };
    flags.publish(definitions(Definition::default(), moved), None, Timestamp::EPOCH).unwrap();
    run.run();
    let attempts = run.attempts();
    assert_eq!(attempts.len(), 10);
    for attempt in attempts {
        let is_moved = attempt.attempt.build.account.as_str() == "account-1" && attempt.started > 2 * minute;
        assert_eq!(attempt.executor.as_str(), if is_moved { "k8s" } else { "docker" }, "{attempt:?}");
    }
    assert_eq!(attempts.iter().filter(|attempt| attempt.executor.as_str() == "k8s").count(), 4);
    let last = attempts.iter().filter_map(|attempt| attempt.ended).max();
    assert_eq!(last, Some(7 * minute), "both work at once, four builds each, from the third minute on");
}
