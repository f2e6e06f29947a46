//! The contract of [`LogStore`].

use std::sync::Arc;

use super::report::Report;
use super::suite::{self, Case, Stop, Subject, check, equal, list, reopen};
use crate::model::{AttemptId, AttemptNumber};
use crate::port::{LogStore, LogStoreError};
use crate::testkit::fixtures::build;

/// Runs all cases, each against a fresh log store.
pub async fn run<S: Subject<dyn LogStore>>(fresh: impl AsyncFn() -> S) -> Report {
    suite::run(cases(), fresh).await
}

/// The cases.
pub fn cases() -> Vec<Case<dyn LogStore>> {
    list![
        bytes_are_stored_one_after_another,
        bytes_below_the_stored_length_are_skipped,
        bytes_that_overlap_are_stored_from_where_they_are_new,
        bytes_above_the_stored_length_stand_behind_a_gap_mark,
        an_unknown_attempt_has_an_empty_log,
        read_gives_at_most_max_from_a_position,
        attempts_have_logs_of_their_own,
        reopening_keeps_the_log,
    ]
}

type LogStores<'a> = &'a mut dyn Subject<dyn LogStore>;

fn attempt() -> AttemptId {
    build("acme", "site", 1).key().attempt(AttemptNumber::FIRST)
}

/// The whole stored log.
async fn stored(store: &Arc<dyn LogStore>, attempt: &AttemptId) -> Result<String, LogStoreError> {
    let chunk = store.read(attempt, 0, 1 << 20).await?;
    Ok(String::from_utf8_lossy(&chunk.bytes).into_owned())
}

async fn bytes_are_stored_one_after_another(subject: LogStores<'_>) -> Result<(), Stop> {
    let store = subject.store();
    equal(store.append(&attempt(), 0, b"one ").await?, 4, "the answer is the offset that comes next")?;
    equal(store.append(&attempt(), 4, b"two").await?, 7, "the answer is the offset that comes next")?;
    equal(store.next_offset(&attempt()).await?, 7, "next_offset says the same")?;
    equal(stored(&store, &attempt()).await?.as_str(), "one two", "the bytes stand one after another")
}

async fn bytes_below_the_stored_length_are_skipped(subject: LogStores<'_>) -> Result<(), Stop> {
    let store = subject.store();
    store.append(&attempt(), 0, b"one two").await?;
    equal(store.append(&attempt(), 0, b"one ").await?, 7, "the answer is still the offset that comes next")?;
    equal(stored(&store, &attempt()).await?.as_str(), "one two", "bytes that are there are not stored again")
}

async fn bytes_that_overlap_are_stored_from_where_they_are_new(subject: LogStores<'_>) -> Result<(), Stop> {
    let store = subject.store();
    store.append(&attempt(), 0, b"one t").await?;
    equal(store.append(&attempt(), 2, b"e two").await?, 7, "the offset moves by what is new")?;
    equal(stored(&store, &attempt()).await?.as_str(), "one two", "only what is new is stored")
}

async fn bytes_above_the_stored_length_stand_behind_a_gap_mark(subject: LogStores<'_>) -> Result<(), Stop> {
    let store = subject.store();
    store.append(&attempt(), 0, b"one").await?;
    equal(store.append(&attempt(), 4_324, b"two").await?, 4_327, "lost bytes count in the runner's offsets")?;
    equal(store.next_offset(&attempt()).await?, 4_327, "next_offset says the same")?;
    let log = stored(&store, &attempt()).await?;
    let mark = log.strip_prefix("one").and_then(|rest| rest.strip_suffix("two"));
    check(mark.is_some_and(|mark| mark.contains("4321")), "a mark between them says how many bytes are missing")?;
    equal(store.append(&attempt(), 100, b"late").await?, 4_327, "bytes of the gap that come late are skipped")
}

async fn an_unknown_attempt_has_an_empty_log(subject: LogStores<'_>) -> Result<(), Stop> {
    let store = subject.store();
    equal(store.next_offset(&attempt()).await?, 0, "a log starts at 0")?;
    equal(stored(&store, &attempt()).await?.as_str(), "", "nothing is stored")
}

async fn read_gives_at_most_max_from_a_position(subject: LogStores<'_>) -> Result<(), Stop> {
    let store = subject.store();
    store.append(&attempt(), 0, b"0123456789").await?;
    for (from, max, expected) in [(0, 4, "0123"), (4, 4, "4567"), (8, 4, "89"), (3, 0, "")] {
        let chunk = store.read(&attempt(), from, max).await?;
        equal(&chunk.bytes[..], expected.as_bytes(), "a chunk has at most max bytes from the position on")?;
        equal(chunk.offset, from, "a chunk says where it starts")?;
    }
    equal(store.read(&attempt(), 10, 4).await?.bytes.len(), 0, "at the end there is nothing more for now")?;
    equal(store.read(&attempt(), 99, 4).await?.bytes.len(), 0, "past the end there is nothing")
}

async fn attempts_have_logs_of_their_own(subject: LogStores<'_>) -> Result<(), Stop> {
    let store = subject.store();
    let all = [
        attempt(),
        build("acme", "site", 1).key().attempt(AttemptNumber::new(2)),
        build("acme", "blog", 1).key().attempt(AttemptNumber::FIRST),
        build("globex", "site", 1).key().attempt(AttemptNumber::FIRST),
    ];
    for (n, attempt) in all.iter().enumerate() {
        store.append(attempt, 0, format!("log {n}").as_bytes()).await?;
    }
    for (n, attempt) in all.iter().enumerate() {
        equal(
            stored(&store, attempt).await?,
            format!("log {n}"),
            "account, project, build and number tell logs apart",
        )?;
    }
    Ok(())
}

async fn reopening_keeps_the_log(subject: LogStores<'_>) -> Result<(), Stop> {
    subject.store().append(&attempt(), 0, b"one").await?;
    subject.store().append(&attempt(), 10, b"two").await?;
    let before = stored(&subject.store(), &attempt()).await?;
    let store = reopen(subject).await?;
    equal(stored(&store, &attempt()).await?, before, "the stored log survives")?;
    equal(store.next_offset(&attempt()).await?, 13, "and so does the offset that comes next")
}
