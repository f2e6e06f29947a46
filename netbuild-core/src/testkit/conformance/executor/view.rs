//! Looking: lists, events and logs.

use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

use super::under_test::{TestCommand, attempt};
use super::{Case, ExecutorUnderTest, Executors, Stop, check, equal, list};
use crate::model::AttemptId;
use crate::port::{ExecutorEvent, LogChunk, Phase};

pub(super) fn cases() -> Vec<Case<ExecutorUnderTest>> {
    list![
        a_list_has_what_runs_and_what_has_ended,
        events_begin_with_a_gap,
        events_tell_the_end,
        every_stream_tells_the_end,
        a_log_is_read_from_any_offset,
        a_log_goes_on_while_its_attempt_runs_and_then_ends,
        a_log_of_what_is_absent_is_empty_and_ends,
    ]
}

/// No event takes longer.
const PATIENCE: Duration = Duration::from_secs(40);

async fn a_list_has_what_runs_and_what_has_ended(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    let report = test.finish(&attempt(1, 1), TestCommand::Exit(3)).await?;
    test.run(&attempt(2, 1), TestCommand::RunUntilCancelled).await?;
    let listing = test.executor.list().await?;
    check(listing.complete, "a list of an executor that answers is complete")?;
    let mut found: Vec<AttemptId> = listing.attempts.into_iter().map(|observed| observed.attempt).collect();
    found.sort();
    equal(found, vec![attempt(1, 1), attempt(2, 1)], "a list has every attempt, and no other")?;
    equal(test.phase(&attempt(1, 1)).await?, Some(Phase::Ended { report }), "also what has ended")
}

async fn events_begin_with_a_gap(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.finish(&attempt(1, 1), TestCommand::Succeed).await?;
    for _ in 0..2 {
        let mut events = test.executor.events().await?;
        let first = timeout(PATIENCE, events.next()).await.ok().flatten();
        equal(first, Some(ExecutorEvent::Gap), "a new stream begins with a gap")?;
    }
    Ok(())
}

/// Waits until a stream tells the end of an attempt.
async fn told_end(
    events: &mut (impl StreamExt<Item = ExecutorEvent> + Unpin),
    attempt: &AttemptId,
) -> Result<Phase, Stop> {
    let told = async {
        while let Some(event) = events.next().await {
            if let ExecutorEvent::Observed(observed) = event
                && observed.attempt == *attempt
                && matches!(observed.phase, Phase::Ended { .. })
            {
                return Ok(observed.phase);
            }
        }
        Err(Stop::failed("a stream goes on"))
    };
    timeout(PATIENCE, told).await.map_err(|_| Stop::failed("an end is told"))?
}

async fn events_tell_the_end(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    let mut events = test.executor.events().await?;
    for (n, command) in [(1, TestCommand::Succeed), (2, TestCommand::Exit(3))] {
        test.create(&attempt(n, 1), command).await?;
        let told = told_end(&mut events, &attempt(n, 1)).await?;
        equal(Some(told), test.phase(&attempt(n, 1)).await?, "events tell the end as a list does")?;
    }
    Ok(())
}

async fn every_stream_tells_the_end(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    let mut first = test.executor.events().await?;
    let mut second = test.executor.events().await?;
    test.run(&attempt(1, 1), TestCommand::RunUntilCancelled).await?;
    test.executor.cancel(&attempt(1, 1), subject.unit()).await?;
    told_end(&mut first, &attempt(1, 1)).await?;
    told_end(&mut second, &attempt(1, 1)).await?;
    Ok(())
}

/// What the commands of the suite write is far shorter.
const MAX_LOG_BYTES: usize = 1 << 16;

/// Reads a log to its end in pieces of at most `max` bytes.
async fn whole_log(test: &ExecutorUnderTest, attempt: &AttemptId, from: u64, max: usize) -> Result<String, Stop> {
    let mut log = BytesMut::new();
    let read = async {
        loop {
            let at = from + log.len() as u64;
            let LogChunk { offset, bytes, end } = test.executor.logs(attempt, at, max).await?;
            equal(offset, at, "no bytes are lost")?;
            check(bytes.len() <= max, "a chunk has at most as many bytes as were asked for")?;
            log.extend_from_slice(&bytes);
            check(log.len() <= MAX_LOG_BYTES, "a log of a few lines is short")?;
            match (end, bytes.is_empty()) {
                (true, _) => return Ok::<_, Stop>(()),
                (false, true) => sleep(Duration::from_millis(20)).await,
                (false, false) => {}
            }
        }
    };
    timeout(PATIENCE, read).await.map_err(|_| Stop::failed("a log of what has ended ends"))??;
    Ok(String::from_utf8_lossy(&log).into_owned())
}

async fn a_log_is_read_from_any_offset(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.finish(&attempt(1, 1), TestCommand::LogLines(40)).await?;
    let log = whole_log(&test, &attempt(1, 1), 0, 1 << 20).await?;
    let mut lines = log.lines();
    for n in 1..=40 {
        let wanted = format!("line {n}");
        check(lines.any(|line| line.ends_with(&wanted)), "every line is there, in its order")?;
    }
    equal(whole_log(&test, &attempt(1, 1), 0, 7).await?, log.clone(), "pieces make up the same log")?;
    for from in [1, log.len() / 2, log.len() - 1, log.len()] {
        let rest = whole_log(&test, &attempt(1, 1), from as u64, 64).await?;
        equal(rest.as_bytes(), &log.as_bytes()[from..], "a log is read on from any offset")?;
    }
    let nothing = test.executor.logs(&attempt(1, 1), log.len() as u64 + 100, 64).await?;
    equal((nothing.bytes.len(), nothing.end), (0, true), "past its end there is nothing")
}

async fn a_log_goes_on_while_its_attempt_runs_and_then_ends(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.run(&attempt(1, 1), TestCommand::RunUntilCancelled).await?;
    let running = test.executor.logs(&attempt(1, 1), 0, 1 << 20).await?;
    check(!running.end, "the log of what runs has not ended")?;
    test.executor.cancel(&attempt(1, 1), subject.unit()).await?;
    test.end(&attempt(1, 1)).await?;
    whole_log(&test, &attempt(1, 1), 0, 1 << 20).await?;
    Ok(())
}

async fn a_log_of_what_is_absent_is_empty_and_ends(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.finish(&attempt(1, 2), TestCommand::LogLines(1)).await?;
    for absent in [attempt(2, 1), attempt(1, 1), attempt(1, 3)] {
        let log = test.executor.logs(&absent, 0, 64).await?;
        equal((log.bytes.len(), log.end), (0, true), "what is not there has an empty log that ends")?;
    }
    Ok(())
}
