//! Customers for the tests.

use netbuild_core::model::{AccountId, ProjectId, Timestamp};
use netbuild_core::testkit::fixtures::account;
use netbuild_flags::directory::MemoryDirectory;
use netbuild_flags::{
    Attributes, Definition, Definitions, FlagKey, Overrides, Percentage, ProjectOf, Share, Snapshot, Subject, Value,
    ValueType,
};

pub(crate) fn flag() -> FlagKey {
    FlagKey::new("pods").unwrap()
}

pub(crate) fn project(name: &str) -> ProjectId {
    ProjectId::new(name).unwrap()
}

pub(crate) fn project_of(account_name: &str, name: &str) -> ProjectOf {
    ProjectOf { account: account(account_name), project: project(name) }
}

pub(crate) fn percent(number: f64) -> Share {
    Share::Fixed(Percentage::try_from(number).unwrap())
}

/// The groups `teams` (`account.plan`) and `modern` (`project.node`), and one flag.
pub(crate) fn definitions(definition: Definition) -> Definitions {
    let mut definitions = Definitions::default();
    definitions.attributes.insert("account.plan".to_owned(), ValueType::Text);
    definitions.attributes.insert("project.node".to_owned(), ValueType::Number);
    definitions.groups.insert("teams".parse().unwrap(), r#"account.plan == "team""#.to_owned());
    definitions.groups.insert("modern".parse().unwrap(), "project.node >= 20".to_owned());
    definitions.flags.insert(flag(), definition);
    definitions
}

pub(crate) fn snapshot(definition: Definition) -> Snapshot {
    Snapshot::new(definitions(definition), &Overrides::none(), Timestamp::EPOCH).unwrap()
}

/// The `n`th account. Every fourth is a team.
pub(crate) fn nth_account(n: u32) -> (AccountId, Attributes) {
    let plan = if n.is_multiple_of(4) { "team" } else { "free" };
    (account(&format!("account-{n:07}")), Attributes::new().with("plan", Value::Text(plan.to_owned())))
}

/// The `n`th project of an account. They are of Node 18, 20 and 22 in turn.
pub(crate) fn nth_project(n: u32) -> (ProjectId, Attributes) {
    (project(&format!("site-{n}")), Attributes::new().with("node", Value::Number(f64::from(18 + n % 3 * 2))))
}

/// So many accounts, each with `n` modulo 7 projects: 0 to 6, 3 of them on average.
pub(crate) fn customers(accounts: u32) -> impl Iterator<Item = (AccountId, Attributes, Vec<(ProjectId, Attributes)>)> {
    (0..accounts).map(|n| {
        let (account, attributes) = nth_account(n);
        (account, attributes, (0..n % 7).map(nth_project).collect())
    })
}

pub(crate) fn memory(accounts: u32) -> MemoryDirectory {
    let mut directory = MemoryDirectory::default();
    for (account, attributes, projects) in customers(accounts) {
        directory.insert_account(account.clone(), attributes);
        for (project, attributes) in projects {
            directory.insert_project(account.clone(), project, attributes);
        }
    }
    directory
}

/// For how many of them a flag is on, asked one by one: accounts, projects.
pub(crate) fn naive(snapshot: &Snapshot, accounts: u32) -> (u64, u64) {
    let (mut on_accounts, mut on_projects) = (0, 0);
    for (account, account_attributes, projects) in customers(accounts) {
        let subject = Subject::account(&account).with_account_attributes(&account_attributes);
        on_accounts += u64::from(snapshot.evaluate(&flag(), &subject, false).on);
        for (project, attributes) in projects {
            let subject = Subject::project(&account, &project)
                .with_account_attributes(&account_attributes)
                .with_project_attributes(&attributes);
            on_projects += u64::from(snapshot.evaluate(&flag(), &subject, false).on);
        }
    }
    (on_accounts, on_projects)
}
