//! How a host's own tables are read.

/// The two queries that read a host's own tables. Each is a SELECT without a semicolon and without parameters; the
/// directory puts its own around it, which choose one page.
///
/// By default they read two views that a host makes over its tables:
///
/// ```sql
/// CREATE VIEW flag_accounts AS SELECT name AS account, json_object('plan', plan) AS attributes FROM customers;
/// CREATE VIEW flag_projects AS SELECT customer AS account, name AS project, NULL AS attributes FROM sites;
/// ```
///
/// - `account` and `project` are texts, never null: the ids with which flags are asked. Numbers must be cast.
/// - `attributes` is a JSON object as [`Attributes::from_json`](crate::Attributes::from_json) reads it, as text or as
///   the database's JSON type; null is none.
/// - No account is there twice, and no project of one account. A project whose account is not there is not told.
/// - What `account` is made of has an index in both tables, an index on the expression if it is one; without it each page
///   reads the whole table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryQueries {
    /// Selects `account` and `attributes` of all accounts.
    pub accounts: String,
    /// Selects `account`, `project` and `attributes` of all projects.
    pub projects: String,
}

impl Default for DirectoryQueries {
    fn default() -> Self {
        DirectoryQueries {
            accounts: "SELECT account, attributes FROM flag_accounts".to_owned(),
            projects: "SELECT account, project, attributes FROM flag_projects".to_owned(),
        }
    }
}
