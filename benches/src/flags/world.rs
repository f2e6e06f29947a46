//! For whom flags are asked, and how they are defined.

use netbuild_core::model::{AccountId, InvalidName, ProjectId};
use netbuild_flags::{Attributes, Definition, Definitions, FlagKey, Percentage, ProjectOf, Share, Value, ValueType};

use super::Question;

/// How many flags there are.
const FLAGS: usize = 200;
/// How many accounts are asked for in turn.
const ACCOUNTS: usize = 4_096;
/// The plans of the accounts, by turns.
const PLANS: [&str; 2] = ["team", "solo"];
/// How many ids each list has that matches nobody.
const STRANGERS: u64 = 100;

/// Accounts and projects with ids of 24 bytes, and the 200 flags that are asked for them.
#[derive(Debug)]
pub struct World {
    /// The accounts.
    pub accounts: Vec<AccountId>,
    /// A project of each account, in their order.
    pub projects: Vec<ProjectId>,
    /// What is known of the accounts: by turns the first and the second.
    pub attributes: [Attributes; 2],
    /// The flags, as netbuild defines them.
    pub definitions: Definitions,
    /// The keys of all flags, each with the question that it is defined like.
    pub flags: Vec<(String, Question)>,
}

impl World {
    /// Makes them; always the same.
    ///
    /// # Errors
    /// Never: all names are valid.
    pub fn new() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let accounts = (0..ACCOUNTS as u64).map(|n| AccountId::new(id("account", n))).collect::<Result<Vec<_>, _>>()?;
        let projects = (0..ACCOUNTS as u64).map(|n| ProjectId::new(id("project", n))).collect::<Result<_, _>>()?;
        let of = |plan: &str| {
            let text = |text: &str| Value::Text(text.to_owned());
            Attributes::new().with("country", text("de")).with("plan", text(plan)).with("seats", Value::Number(12.0))
        };
        let mut definitions = Definitions::default();
        definitions.attributes.insert("account.plan".to_owned(), ValueType::Text);
        definitions.groups.insert("teams".parse()?, "account.plan == \"team\"".to_owned());
        definitions.groups.insert("enterprises".parse()?, "account.plan == \"enterprise\"".to_owned());
        let asked = Question::ALL.map(|question| (question.key().to_owned(), question));
        let others = asked.len()..FLAGS;
        let others = others.map(|n| (format!("flag-number-{n:04}"), Question::ALL[n % Question::ALL.len()]));
        let flags: Vec<_> = asked.into_iter().chain(others).collect();
        for (key, question) in &flags {
            definitions.flags.insert(FlagKey::new(key)?, definition(*question, &accounts)?);
        }
        Ok(World { accounts, projects, attributes: PLANS.map(of), definitions, flags })
    }

    /// The numbers of accounts, round and round.
    pub fn turns(&self) -> impl Iterator<Item = usize> + Send + use<> {
        (0..self.accounts.len()).cycle()
    }

    /// The id that a percentage is of: the project's or the account's.
    pub fn id(&self, turn: usize, question: Question) -> &str {
        match question {
            Question::ProjectsShare => self.projects[turn].as_str(),
            _ => self.accounts[turn].as_str(),
        }
    }

    /// The plan of an account.
    pub fn plan(&self, turn: usize) -> &'static str {
        PLANS[turn % PLANS.len()]
    }

    /// The accounts that the flag of [`Question::Account`] lists.
    pub fn listed(accounts: &[AccountId]) -> impl Iterator<Item = &AccountId> {
        accounts.iter().step_by(16)
    }
}

/// An id of 24 bytes.
fn id(what: &str, number: u64) -> String {
    format!("{what}-{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn definition(
    question: Question,
    accounts: &[AccountId],
) -> Result<Definition, Box<dyn std::error::Error + Send + Sync>> {
    let half = Share::Fixed(Percentage::from_hundredths(5_000));
    Ok(match question {
        Question::KillSwitch => Definition { kill: true, global: true, ..Definition::default() },
        Question::Global => Definition { global: true, ..Definition::default() },
        Question::Account => {
            Definition { accounts: World::listed(accounts).cloned().collect(), ..Definition::default() }
        }
        Question::Group => Definition { groups: [("teams".parse())?].into(), ..Definition::default() },
        Question::AccountsShare => Definition { accounts_share: half, ..cascade()? },
        Question::ProjectsShare => {
            let few = Share::Fixed(Percentage::from_hundredths(100));
            Definition { accounts_share: few, projects_share: half, ..cascade()? }
        }
    })
}

/// Every rule before the percentages, none of which matches.
fn cascade() -> Result<Definition, Box<dyn std::error::Error + Send + Sync>> {
    let account = |n| AccountId::new(id("stranger", n));
    let project = |n| Ok(ProjectOf { account: account(n)?, project: ProjectId::new(id("project", n))? });
    let accounts = |from: u64| (from..from + STRANGERS).map(account).collect::<Result<_, _>>();
    let projects = |from: u64| (from..from + STRANGERS).map(project).collect::<Result<_, InvalidName>>();
    Ok(Definition {
        excluded_accounts: accounts(0)?,
        excluded_projects: projects(0)?,
        accounts: accounts(STRANGERS)?,
        projects: projects(STRANGERS)?,
        groups: ["enterprises".parse()?].into(),
        ..Definition::default()
    })
}
