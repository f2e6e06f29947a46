//! What is refused when a store is opened, and what no default of a role can change.

use std::time::Duration;

use netbuild_core::port::Queue;
use netbuild_core::testkit::fixtures::{build, message};
use netbuild_queue::postgres::{PostgresError, PostgresOptions};
use netbuild_servers::PostgresServer;

use super::support::{Server, client, open, try_open};

fn options() -> PostgresOptions {
    PostgresOptions::default()
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_once_and_never_told() {
    let server = Server::start();
    let patient = PostgresOptions { open_wait: Duration::from_secs(600), ..options() };
    let wrong = server.server.url().replace(PostgresServer::PASSWORD, "canary-wrong");
    let error = try_open(&wrong, patient).await.unwrap_err();
    assert!(matches!(error, PostgresError::Refused { .. }), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("pg_hba.conf") && !text.contains("canary"), "{text}");
    let store = open(&server.server.url(), options()).await;
    assert!(!format!("{store:?} {:?}", store.queue()).contains("canary"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_once_or_waited_for() {
    let mut server = Server::start();
    let address = server.server.url();
    server.server.kill();
    let error = try_open(&address, options()).await.unwrap_err();
    assert!(matches!(error, PostgresError::Unreachable { .. }), "{error:?}");
    let patient = PostgresOptions { open_wait: Duration::from_secs(600), ..options() };
    let come = tokio::task::spawn_blocking(move || {
        server.server.start_again().unwrap();
        server
    });
    let store = open(&address, patient).await;
    assert_eq!(store.queue().depth().await.unwrap().ready, 0);
    drop(come.await.unwrap());
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_confirmed_is_refused_unless_that_is_allowed() {
    for lossy in ["fsync", "full_page_writes"] {
        let server = Server::start_with(&[(lossy, "off")]);
        let error = try_open(&server.server.url(), options()).await.unwrap_err();
        assert!(matches!(&error, PostgresError::Lossy { setting, .. } if *setting == lossy), "{error:?}");
        open(&server.server.url(), PostgresOptions { allow_lossy: true, ..options() }).await;
    }
}

#[tokio::test]
async fn what_is_not_ours_or_newer_is_refused_and_stays_as_it_was() {
    let server = Server::start();
    let address = server.server.url();
    let client = client(&address).await;
    client.batch_execute("CREATE SCHEMA other; CREATE TABLE other.things (a int)").await.unwrap();
    let other = PostgresOptions { schema: "other".to_owned(), ..options() };
    let error = try_open(&address, other).await.unwrap_err();
    assert!(matches!(error, PostgresError::OtherSchema { .. }), "{error:?}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'other'";
    assert_eq!(client.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 1);

    open(&address, options()).await;
    client.batch_execute("UPDATE netbuild.schema_version SET version = version + 1").await.unwrap();
    let error = try_open(&address, options()).await.unwrap_err();
    assert!(matches!(error, PostgresError::NewerSchema { found: 2, known: 1, .. }), "{error:?}");

    let error = try_open(&address, PostgresOptions { schema: "a; DROP TABLE b".to_owned(), ..options() }).await;
    assert!(matches!(error, Err(PostgresError::Schema(_))));
}

#[tokio::test]
async fn many_that_open_at_once_make_the_schema_once() {
    let server = Server::start();
    let address = server.server.url();
    let opened = futures_util::future::join_all((0..8).map(|_| open(&address, options()))).await;
    for store in &opened {
        store.queue().publish(&[message("api", 1, build("acme", "site", 1))]).await.unwrap();
    }
    assert_eq!(opened[0].queue().depth().await.unwrap().ready, 1);
}

#[tokio::test]
async fn defaults_of_a_role_do_not_weaken_a_connection() {
    let server = Server::start();
    let address = server.server.url();
    let weak = "ALTER ROLE postgres SET synchronous_commit = off;
        ALTER ROLE postgres SET default_transaction_read_only = on;
        ALTER ROLE postgres SET default_transaction_isolation = 'serializable';
        ALTER ROLE postgres SET search_path = nowhere;
        ALTER ROLE postgres SET statement_timeout = 1";
    client(&address).await.batch_execute(weak).await.unwrap();
    // Each connection reads back what it depends on and is refused otherwise.
    let store = open(&address, options()).await;
    store.queue().publish(&[message("api", 1, build("acme", "site", 1))]).await.unwrap();
    assert_eq!(store.queue().receive(1, Duration::from_secs(10)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_role_that_may_only_use_the_tables_can_open_them() {
    let server = Server::start();
    let address = server.server.url();
    open(&address, options()).await;
    let grant = "CREATE ROLE scheduler LOGIN PASSWORD 'canary-scheduler';
        GRANT USAGE ON SCHEMA netbuild TO scheduler;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA netbuild TO scheduler";
    client(&address).await.batch_execute(grant).await.unwrap();
    let address = address.replace(&format!("postgres:{}", PostgresServer::PASSWORD), "scheduler:canary-scheduler");
    let store = open(&address, options()).await;
    store.queue().publish(&[message("api", 1, build("acme", "site", 1))]).await.unwrap();
    assert_eq!(store.queue().receive(1, Duration::from_secs(10)).await.unwrap().len(), 1);
}
