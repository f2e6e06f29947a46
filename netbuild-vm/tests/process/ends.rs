//! Logs and events.

use std::time::Duration;

use futures_util::StreamExt;
use netbuild_core::port::{Executor, ExecutorEvent, Phase};

use crate::bench::{Bench, ended, id};

#[tokio::test]
async fn events_tell_every_phase_of_every_attempt() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let mut events = executor.events().await.unwrap();
    assert_eq!(events.next().await, Some(ExecutorEvent::Gap));
    let requests = [0, 1].map(|_| bench.request("sleep 0.2"));
    for request in &requests {
        executor.start(request).await.unwrap();
    }
    let mut ends = 0;
    let mut ran = 0;
    while ends < 2 {
        match tokio::time::timeout(Duration::from_secs(30), events.next()).await.unwrap() {
            Some(ExecutorEvent::Observed(observed)) => match observed.phase {
                Phase::Running { .. } => ran += 1,
                Phase::Ended { .. } => ends += 1,
                Phase::Pending { .. } => {}
                Phase::Unknown => panic!("this host answers"),
            },
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ran, 2);
    executor.shutdown().await;
    assert_eq!(events.next().await, None, "a stream ends with its executor");
}

#[tokio::test]
async fn a_log_is_read_by_offset_while_it_grows_and_ends_with_its_attempt() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.request("printf 0123456789; echo up >up; until [ -e go ]; do sleep 0.01; done; printf ab");
    let nothing = executor.logs(id(&request), 7, 100).await.unwrap();
    assert!(nothing.bytes.is_empty() && nothing.end, "what is not there has an empty log that ends");
    executor.start(&request).await.unwrap();
    bench.written(&request, "up").await;
    let piece = executor.logs(id(&request), 2, 3).await.unwrap();
    assert_eq!((piece.offset, &piece.bytes[..], piece.end), (2, &b"234"[..], false));
    let piece = executor.logs(id(&request), 10, 100).await.unwrap();
    assert!(piece.bytes.is_empty() && !piece.end, "it may go on");
    std::fs::write(bench.folder(&request).join("work/go"), "").unwrap();
    ended(&executor, &request).await;
    let piece = executor.logs(id(&request), 10, 1).await.unwrap();
    assert_eq!((&piece.bytes[..], piece.end), (&b"a"[..], false));
    let piece = executor.logs(id(&request), 11, 100).await.unwrap();
    assert_eq!((&piece.bytes[..], piece.end), (&b"b"[..], true));
}
