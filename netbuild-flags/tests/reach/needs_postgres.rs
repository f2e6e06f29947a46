//! A directory over the tables of a host in PostgreSQL.

use netbuild_flags::directory::{Directory, DirectoryError, DirectoryQueries, PostgresDirectory};
use netbuild_servers::PostgresServer;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, connect};

use crate::million;
use crate::support::memory;

/// The same customers as in memory, made by the server.
const CUSTOMERS: &str = "
    CREATE TABLE customers (name TEXT PRIMARY KEY, plan TEXT);
    CREATE TABLE sites (customer TEXT, name VARCHAR(100), node FLOAT8, PRIMARY KEY (customer, name));
    CREATE VIEW flag_accounts AS SELECT name AS account, jsonb_build_object('plan', plan) AS attributes FROM customers;
    CREATE VIEW flag_projects AS
        SELECT customer AS account, name AS project, json_build_object('node', node) AS attributes FROM sites;
    INSERT INTO customers
        SELECT 'account-' || lpad(n::text, 7, '0'), CASE WHEN n % 4 = 0 THEN 'team' ELSE 'free' END
        FROM generate_series(0, ACCOUNTS - 1) AS n;
    INSERT INTO sites
        SELECT 'account-' || lpad(n::text, 7, '0'), 'site-' || site, 18 + site % 3 * 2
        FROM generate_series(0, ACCOUNTS - 1) AS n, generate_series(0, n % 7 - 1) AS site;
    ANALYZE;
";

struct Host {
    server: PostgresServer,
    _folder: TempDir,
}

impl Host {
    async fn with_customers(accounts: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host { server: PostgresServer::start(folder.path()).unwrap(), _folder: folder };
        host.client().await.batch_execute(&CUSTOMERS.replace("ACCOUNTS", &accounts.to_string())).await.unwrap();
        host
    }

    async fn client(&self) -> Client {
        let (client, connection) = connect(&self.server.url(), NoTls).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "it ends with the client")]
        tokio::spawn(connection);
        client
    }

    async fn directory(&self, queries: &DirectoryQueries) -> PostgresDirectory {
        PostgresDirectory::new(self.client().await, queries)
    }
}

#[tokio::test]
async fn its_pages_are_those_of_a_directory_in_memory_and_what_is_wrong_is_told() {
    let mut host = Host::with_customers(50).await;
    let directory = host.directory(&DirectoryQueries::default()).await;
    let expected = memory(50).page(None, 100).await.unwrap();
    for max in [1, 7, 50, 100] {
        let mut accounts = Vec::new();
        for _ in 0..50_usize.div_ceil(max) {
            let after = accounts.last().map(|last: &netbuild_flags::directory::DirectoryAccount| last.account.clone());
            let mut page = directory.page(after.as_ref(), max).await.unwrap();
            page.iter_mut().for_each(|account| account.projects.sort_by(|a, b| a.project.cmp(&b.project)));
            accounts.extend(page);
        }
        assert_eq!(accounts, expected, "{max} a page");
        let last = accounts.last().map(|last| last.account.clone());
        assert_eq!(directory.page(last.as_ref(), max).await.unwrap(), []);
    }
    assert_eq!(directory.size().await.unwrap(), Some(50));

    let of = |accounts: &str| DirectoryQueries { accounts: accounts.to_owned(), ..DirectoryQueries::default() };
    let missing = host.directory(&of("SELECT account, attributes FROM elsewhere")).await;
    let error = missing.page(None, 10).await.unwrap_err();
    assert!(error.to_string().contains("relation \"elsewhere\" does not exist"), "{error}");
    let numbers = host.directory(&of("SELECT 7 AS account, NULL AS attributes")).await;
    let error = numbers.page(None, 10).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Unreadable { .. }), "{error}");

    host.server.kill();
    let error = directory.page(None, 10).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Unanswered(_)), "{error}");
}

#[tokio::test]
async fn a_million_in_seconds() {
    let host = Host::with_customers(million::accounts()).await;
    million::count("PostgreSQL", &host.directory(&DirectoryQueries::default()).await).await;
}
