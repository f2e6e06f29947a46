//! A directory over the tables of a host in SQLite.

use netbuild_core::testkit::fixtures::account;
use netbuild_flags::directory::{Directory, DirectoryAccount, DirectoryError, DirectoryQueries, SqliteDirectory};
use netbuild_flags::{Attributes, Value};
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::million;
use crate::support::{customers, memory};

/// The tables of a host, with the views that a directory reads by default.
const SCHEMA: &str = "
    CREATE TABLE customers (name TEXT PRIMARY KEY, plan TEXT) WITHOUT ROWID;
    CREATE TABLE sites (customer TEXT, name TEXT, node REAL, PRIMARY KEY (customer, name)) WITHOUT ROWID;
    CREATE VIEW flag_accounts AS SELECT name AS account, json_object('plan', plan) AS attributes FROM customers;
    CREATE VIEW flag_projects AS
        SELECT customer AS account, name AS project, json_object('node', node) AS attributes FROM sites;
";

/// A file of a host.
struct Host {
    folder: TempDir,
    connection: Connection,
}

impl Host {
    fn new(schema: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("host.db")).unwrap();
        connection.execute_batch(schema).unwrap();
        Host { folder, connection }
    }

    fn with_customers(accounts: u32) -> Self {
        let mut host = Host::new(SCHEMA);
        let transaction = host.connection.transaction().unwrap();
        let mut customer = transaction.prepare("INSERT INTO customers VALUES (?1, ?2)").unwrap();
        let mut site = transaction.prepare("INSERT INTO sites VALUES (?1, ?2, ?3)").unwrap();
        for (account, attributes, projects) in customers(accounts) {
            let Some(Value::Text(plan)) = attributes.get("plan") else { unreachable!() };
            customer.execute([account.as_str(), plan]).unwrap();
            for (project, attributes) in projects {
                let Some(Value::Number(node)) = attributes.get("node") else { unreachable!() };
                site.execute(params![account.as_str(), project.as_str(), node]).unwrap();
            }
        }
        drop((customer, site));
        transaction.commit().unwrap();
        host
    }

    fn directory(&self, queries: &DirectoryQueries) -> SqliteDirectory {
        SqliteDirectory::open(self.folder.path().join("host.db"), queries).unwrap()
    }

    /// What the first page says when it is asked for.
    async fn refusal(&self) -> DirectoryError {
        self.directory(&DirectoryQueries::default()).page(None, 10).await.unwrap_err()
    }
}

/// All pages of so many accounts.
async fn all(directory: &dyn Directory, max: usize) -> Vec<DirectoryAccount> {
    let mut accounts: Vec<DirectoryAccount> = Vec::new();
    loop {
        let after = accounts.last().map(|last| last.account.clone());
        let page = directory.page(after.as_ref(), max).await.unwrap();
        assert!(page.len() <= max);
        if page.is_empty() {
            return accounts;
        }
        accounts.extend(page);
    }
}

#[tokio::test]
async fn its_pages_are_those_of_a_directory_in_memory() {
    let (host, memory) = (Host::with_customers(50), memory(50));
    let directory = host.directory(&DirectoryQueries::default());
    let expected = memory.page(None, 100).await.unwrap();
    for max in [1, 7, 50, 100] {
        assert_eq!(all(&directory, max).await, expected, "{max} a page");
        assert_eq!(all(&memory, max).await, expected, "{max} a page");
    }
    assert_eq!(directory.size().await.unwrap(), Some(50));
}

#[tokio::test]
async fn a_host_that_makes_no_views_gives_its_own_queries() {
    let host = Host::with_customers(8);
    let queries = DirectoryQueries {
        accounts: "SELECT name AS account, NULL AS attributes FROM customers WHERE plan = 'team'".to_owned(),
        projects: "SELECT customer AS account, name AS project, '{}' AS attributes FROM sites".to_owned(),
    };
    let accounts = all(&host.directory(&queries), 3).await;
    let found: Vec<_> = accounts.iter().map(|found| (found.account.as_str(), found.projects.len())).collect();
    assert_eq!(found, [("account-0000000", 0), ("account-0000004", 4)]);
    assert_eq!(accounts[1].attributes, Attributes::new());
    assert_eq!(host.directory(&queries).size().await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_host_without_the_views_is_told_of_it() {
    let error = Host::new("").refusal().await;
    assert!(error.to_string().contains("no such table: flag_accounts"), "{error}");
    let nowhere = SqliteDirectory::open("/nowhere/host.db", &DirectoryQueries::default());
    assert!(matches!(nowhere, Err(DirectoryError::Unanswered(_))), "{nowhere:?}");
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_named() {
    let cases = [
        ("INSERT INTO flag_accounts VALUES ('acme', '[]')", "acme"),
        ("INSERT INTO flag_accounts VALUES ('acme', 7)", "acme"),
        ("INSERT INTO flag_accounts VALUES (7, NULL)", ""),
        ("INSERT INTO flag_accounts VALUES (NULL, NULL)", ""),
        ("INSERT INTO flag_accounts VALUES ('', NULL)", ""),
        (
            "INSERT INTO flag_accounts VALUES ('acme', NULL); INSERT INTO flag_projects VALUES ('acme', 'site', '7')",
            "acme/site",
        ),
        (
            "INSERT INTO flag_accounts VALUES ('acme', NULL); INSERT INTO flag_projects VALUES ('acme', '', NULL)",
            "acme/",
        ),
    ];
    for (insert, expected) in cases {
        let host = Host::new(
            "CREATE TABLE flag_accounts (account, attributes); CREATE TABLE flag_projects (account, project, attributes);",
        );
        host.connection.execute_batch(insert).unwrap();
        let error = host.refusal().await;
        assert!(matches!(&error, DirectoryError::Unreadable { row, .. } if row == expected), "{insert}: {error}");
    }
}

#[tokio::test]
async fn a_project_without_its_account_is_not_told() {
    let host = Host::with_customers(3);
    let orphan = "INSERT INTO sites VALUES ('account-0000000-gone', 'site', 20.0)";
    host.connection.execute(orphan, []).unwrap();
    let accounts = all(&host.directory(&DirectoryQueries::default()), 10).await;
    assert_eq!(accounts.iter().map(|account| account.projects.len()).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(accounts[0].account, account("account-0000000"));
}

#[tokio::test]
async fn a_million_in_seconds() {
    let host = Host::with_customers(million::accounts());
    million::count("SQLite", &host.directory(&DirectoryQueries::default())).await;
}
