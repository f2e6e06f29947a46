//! The customers of the example: accounts with a plan, each with three projects.

use std::collections::BTreeMap;
use std::sync::Arc;

use netbuild_core::model::{AccountId, InvalidName, ProjectId};
use netbuild_flags::{AttributeLookup, Attributes, Value};

/// The projects of every account.
pub(crate) const PROJECTS: [&str; 3] = ["site", "docs", "shop"];

/// A customer.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub(crate) account: AccountId,
    pub(crate) projects: Vec<ProjectId>,
    pub(crate) attributes: Arc<Attributes>,
}

/// So many customers, a tenth of them on the plan `team`. The first is `acme`.
pub(crate) fn customers(count: usize) -> Result<Vec<Customer>, InvalidName> {
    (0..count).map(customer).collect()
}

fn customer(number: usize) -> Result<Customer, InvalidName> {
    let account = if number == 0 { AccountId::new("acme") } else { AccountId::new(format!("account-{number}")) }?;
    let plan = if number % 10 == 1 { "team" } else { "free" };
    let projects = PROJECTS.into_iter().map(ProjectId::new).collect::<Result<_, _>>()?;
    let attributes = Arc::new(Attributes::new().with("plan", Value::Text(plan.to_owned())));
    Ok(Customer { account, projects, attributes })
}

/// What a host knows of its customers, for the router.
#[derive(Debug)]
pub(crate) struct KnownCustomers(BTreeMap<AccountId, Arc<Attributes>>);

impl KnownCustomers {
    pub(crate) fn new(customers: &[Customer]) -> Self {
        KnownCustomers(customers.iter().map(|known| (known.account.clone(), known.attributes.clone())).collect())
    }
}

impl AttributeLookup for KnownCustomers {
    fn of_account(&self, account: &AccountId) -> Option<Arc<Attributes>> {
        self.0.get(account).cloned()
    }

    fn of_project(&self, _account: &AccountId, _project: &ProjectId) -> Option<Arc<Attributes>> {
        None
    }
}
