//! The store in a PostgreSQL database.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::AccountId;
use netbuild_core::port::{Clock, SystemClock};
use netbuild_flags::source::{Source, Watcher};
use netbuild_flags::store::{PostgresStore, Store, StoreError};
use netbuild_flags::{Flags, Overrides, Subject};
use netbuild_servers::PostgresServer;

use crate::conformance::{self, key, on_for, set};

fn start() -> (tempfile::TempDir, PostgresServer) {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start(folder.path()).unwrap();
    (folder, server)
}

async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn it_conforms_and_keeps_everything_for_the_next() {
    let (_folder, server) = start();
    let store = Arc::new(PostgresStore::new(&server.url()).unwrap());
    conformance::run(store.clone()).await;
    let next = PostgresStore::new(&server.url()).unwrap();
    assert_eq!(next.load().await.unwrap(), store.load().await.unwrap());
    assert_eq!(next.history(None, None, 100).await.unwrap(), store.history(None, None, 100).await.unwrap());
}

#[tokio::test]
async fn many_that_start_at_once_and_change_at_once_lose_nothing() {
    let (_folder, server) = start();
    let address = server.url();
    let change = async |n: usize| {
        let store = PostgresStore::new(&address).unwrap();
        store.change(set(&format!("flag-{n}"), on_for("acme"))).await.unwrap()
    };
    let mut made = futures_util::future::join_all((0..8).map(change)).await;
    made.sort_unstable();
    assert_eq!(made, (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn evaluations_go_on_while_the_server_is_gone_and_changes_come_when_it_is_back() {
    let (_folder, mut server) = start();
    let store = Arc::new(PostgresStore::new(&server.url()).unwrap());
    let other = PostgresStore::new(&server.url()).unwrap();
    let (flags, clock) = (Flags::new(Overrides::none()), Arc::new(SystemClock::new()));
    let watcher = Watcher::new(store, flags.clone(), clock.clone());
    let is_on = |account: &str| {
        let account = AccountId::new(account).unwrap();
        flags.evaluate(&key("pods"), &Subject::account(&account), false).on
    };
    let test = async {
        other.change(set("pods", on_for("a"))).await.unwrap();
        until(|| is_on("a")).await;
        until(|| flags.status().problem.is_none()).await;

        server.kill();
        until(|| flags.status().problem.is_some()).await;
        let error = other.change(set("pods", on_for("b"))).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        let confirmed = flags.status().confirmed_at.unwrap();
        until(|| flags.status().age(clock.now()).unwrap() > Duration::from_millis(1_500)).await;
        assert!(is_on("a") && flags.status().confirmed_at == Some(confirmed));
        let problem = flags.status().problem.unwrap();
        assert!(problem.starts_with("the source of the flags is out of reach: "), "{problem}");

        server.start_again().unwrap();
        until(|| flags.status().problem.is_none()).await;
        other.change(set("pods", on_for("b"))).await.unwrap();
        until(|| is_on("b") && !is_on("a")).await;

        // A server that hangs is told as one that is gone.
        server.freeze();
        until(|| flags.status().problem.is_some()).await;
        assert!(is_on("b"));
        server.thaw();
        until(|| flags.status().problem.is_none()).await;
        other.change(set("pods", on_for("c"))).await.unwrap();
        until(|| is_on("c")).await;
    };
    tokio::select! {
        () = watcher.run() => {}
        () = test => {}
    }
}

#[tokio::test]
async fn a_change_is_heard_of_at_once_and_found_where_no_notification_came() {
    let (_folder, server) = start();
    let (one, other) = (PostgresStore::new(&server.url()).unwrap(), PostgresStore::new(&server.url()).unwrap());
    one.change(set("pods", on_for("a"))).await.unwrap();
    other.load().await.unwrap();
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let notified = async {
        // The revision stays as it is: only the notification tells.
        client.batch_execute("NOTIFY netbuild_flags").await.unwrap();
        other.changed().await;
        one.change(set("pods", on_for("b"))).await.unwrap();
        other.changed().await;
        assert_eq!(other.load().await.unwrap().revision, Some(2));
    };
    let silent = async {
        let sql = r#"UPDATE flag_definitions SET revision = 3, definitions = '{"flags": {}}'"#;
        client.batch_execute(sql).await.unwrap();
        other.changed().await;
    };
    tokio::select! {
        _ = connection => panic!("the connection is over"),
        () = async { notified.await; silent.await } => {}
    }
    assert_eq!(other.load().await.unwrap().revision, Some(3));
}

#[tokio::test]
async fn an_address_is_checked_and_a_password_never_told() {
    let error = PostgresStore::new("postgres://me:secret@host:none/db").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    let store = PostgresStore::new("postgres://me:secret@127.0.0.1:1/db").unwrap();
    assert!(!format!("{store:?}").contains("secret"), "{store:?}");
    let error = store.load().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}
