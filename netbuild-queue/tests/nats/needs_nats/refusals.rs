//! Servers, streams and consumers that cannot keep the promises.

use std::time::Duration;

use netbuild_queue::nats::async_nats::ConnectOptions;
use netbuild_queue::nats::async_nats::jetstream::consumer::{AckPolicy, pull};
use netbuild_queue::nats::async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};
use netbuild_queue::nats::async_nats::jetstream::{self, Context};
use netbuild_queue::nats::{NatsError, NatsOptions, async_nats};
use netbuild_servers::NatsServer;

use super::support::{Server, open, options, try_open};

async fn context(server: &Server) -> Context {
    jetstream::new(async_nats::connect(server.server.url()).await.unwrap())
}

fn fitting(name: &str) -> stream::Config {
    stream::Config {
        name: name.to_owned(),
        subjects: vec![name.to_owned()],
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        ..stream::Config::default()
    }
}

async fn misfit(server: &Server, stream: &str) -> Option<&'static str> {
    match try_open(&server.server.url(), options(stream)).await {
        Ok(_) => None,
        Err(NatsError::Setting { setting, .. }) => Some(setting),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_stream_or_consumer_that_loses_messages_is_refused_and_left_alone() {
    let server = Server::start().await;
    let context = context(&server).await;
    context.create_stream(fitting("fits")).await.unwrap();
    assert_eq!(misfit(&server, "fits").await, None);

    let memory = stream::Config { storage: StorageType::Memory, ..fitting("memory") };
    let old = stream::Config { discard: DiscardPolicy::Old, ..fitting("old") };
    let limits = stream::Config { retention: RetentionPolicy::Limits, ..fitting("limits") };
    let aged = stream::Config { max_age: Duration::from_secs(3_600), ..fitting("aged") };
    for (config, setting) in [(memory, "storage"), (old, "discard"), (limits, "retention"), (aged, "max_age")] {
        let name = config.name.clone();
        let made = context.create_stream(config).await.unwrap().cached_info().config.clone();
        assert_eq!(misfit(&server, &name).await, Some(setting));
        assert_eq!(context.get_stream(&name).await.unwrap().cached_info().config, made);
    }

    let stream = context.create_stream(fitting("forgets")).await.unwrap();
    let config = pull::Config {
        durable_name: Some("netbuild".to_owned()),
        ack_policy: AckPolicy::Explicit,
        max_deliver: 5,
        ..pull::Config::default()
    };
    stream.create_consumer(config).await.unwrap();
    assert_eq!(misfit(&server, "forgets").await, Some("max_deliver"));
}

#[tokio::test]
async fn monitoring_shows_a_server_that_syncs_too_late() {
    let folder = tempfile::tempdir().unwrap();
    for (jetstream, is_fit) in [(NatsServer::SYNCED, true), ("", false)] {
        let server = NatsServer::start_with(folder.path(), jetstream, "").unwrap();
        let options = NatsOptions { monitor: Some(server.monitor()), ..options("monitored") };
        match try_open(&server.url(), options.clone()).await {
            Ok(_) => assert!(is_fit),
            Err(error) => assert!(!is_fit && error == NatsError::NotSynced { monitor: server.monitor() }, "{error}"),
        }
        open(&server.url(), NatsOptions { allow_lossy: true, ..options }).await;
    }
}

#[tokio::test]
async fn credentials_are_used_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = "authorization { user: me, password: canary }";
    let server = NatsServer::start_with(folder.path(), NatsServer::SYNCED, accounts).unwrap();
    let queue = open(&format!("nats://me:canary@{}", server.addr()), options("guarded")).await;
    assert!(!format!("{queue:?}").contains("canary"));
    for wrong in [server.url(), format!("nats://me:canary-not@{}", server.addr())] {
        // At once, although it may wait for a server that is not there.
        let options = NatsOptions { open_wait: Duration::from_secs(600), ..options("guarded") };
        let error = try_open(&wrong, options).await.unwrap_err();
        assert!(matches!(error, NatsError::Refused { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    let connect = || ConnectOptions::new().user_and_password("me".to_owned(), "canary".to_owned());
    let clock = std::sync::Arc::new(netbuild_core::port::SystemClock::new());
    netbuild_queue::nats::NatsQueue::open_with(&server.url(), options("guarded"), clock, connect).await.unwrap();
}

#[tokio::test]
async fn a_server_that_takes_short_messages_or_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = NatsServer::start_with(folder.path(), NatsServer::SYNCED, "max_payload: 100KB").unwrap();
    let error = try_open(&server.url(), options("short")).await.unwrap_err();
    assert!(matches!(error, NatsError::SmallPayload { .. }), "{error}");
    let error = try_open(&server.url(), options("no.name")).await.unwrap_err();
    assert_eq!(error, NatsError::Name("no.name".to_owned()));
    server.kill();
    let error = try_open(&server.url(), options("short")).await.unwrap_err();
    assert!(matches!(error, NatsError::Unreachable { .. }), "{error}");
}
