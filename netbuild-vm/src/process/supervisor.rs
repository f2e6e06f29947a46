//! The supervisor: it looks at all attempts again and again, carries out cancels, settles what is over, reaps children and
//! tells the news. All that it knows is in the folders, so another one goes on where it was stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::AttemptId;
use netbuild_core::port::{ExecutorEvent, Observed, Phase};
use tokio::signal::unix::Signal;
use tokio::sync::{Notify, broadcast};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::attempts::Attempts;
use super::facts::read_mark;
use super::folders::Lock;
use super::signals::{sweep, term};
use crate::escalation::{Ask, Escalation, escalate};
use crate::verdict::Verdict;

/// What the supervisor remembers from one look to the next: nothing that the folders do not tell again.
#[derive(Debug, Default)]
struct Seen {
    attempts: BTreeMap<AttemptId, SeenAttempt>,
}

#[derive(Debug, Default)]
struct SeenAttempt {
    phase: Option<Phase>,
    escalation: Option<Escalation>,
}

/// What one look brought.
#[derive(Debug, Default)]
struct Look {
    news: Vec<Observed>,
    /// Processes were killed: look again soon.
    soon: bool,
}

/// The shortest pause: after a kill, and between two looks when children of the host application end all the time.
const SOON: Duration = Duration::from_millis(10);

/// Looks until it is told to stop: at every poll, when it is woken, and when a child of this process ends.
pub(super) async fn supervise(
    attempts: Arc<Attempts>,
    wake: Arc<Notify>,
    mut child_ends: Signal,
    news: broadcast::Sender<ExecutorEvent>,
    stop: CancellationToken,
) {
    let mut seen = Seen::default();
    while !stop.is_cancelled() {
        let shared = Arc::clone(&attempts);
        let looked = spawn_blocking(move || {
            let look = look(&shared, &mut seen);
            (seen, look)
        });
        let Ok((back, look)) = looked.await else { break };
        seen = back;
        for observed in look.news {
            // Nobody listens: whoever comes later lists first.
            let _listeners = news.send(ExecutorEvent::Observed(observed));
        }
        let pause = if look.soon { SOON } else { attempts.options.poll };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = wake.notified() => {}
            Some(()) = child_ends.recv() => tokio::time::sleep(SOON).await,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One look at all attempts.
fn look(attempts: &Attempts, seen: &mut Seen) -> Look {
    let mut look = Look::default();
    let names = match attempts.folders.names() {
        Ok(names) => names,
        Err(error) => {
            tracing::warn!(%error, "the folders of the attempts cannot be read");
            return look;
        }
    };
    let mut there = BTreeSet::new();
    for name in names {
        if let Err(error) = look_at(attempts, &name, seen, &mut there, &mut look) {
            tracing::warn!(name, %error, "an attempt cannot be looked at");
        }
    }
    seen.attempts.retain(|attempt, _| there.contains(attempt));
    attempts.retain(|attempt| there.contains(attempt));
    attempts.children.forget(|attempt, folder| attempts.is_over(attempt, folder));
    look
}

fn look_at(
    attempts: &Attempts,
    name: &str,
    seen: &mut Seen,
    there: &mut BTreeSet<AttemptId>,
    look: &mut Look,
) -> io::Result<()> {
    let lock = attempts.folders.lock(name)?;
    let Some(mark) = read_mark(&attempts.folders.path(name))? else { return Ok(()) };
    there.insert(mark.attempt.clone());
    // Whoever is at it will be done by the next look.
    let Lock::Locked(folder) = lock else { return Ok(()) };
    let found = attempts.look(&folder.path, &mark)?;
    let verdict = attempts.settle(&folder, &mark, &found)?;
    let before = seen.attempts.entry(mark.attempt.clone()).or_default();
    match (&verdict, found.grace) {
        (Verdict::Running { .. } | Verdict::Pending, Some(grace)) => {
            let (escalation, ask) = escalate(before.escalation, grace, attempts.clock.monotonic());
            before.escalation = Some(escalation);
            match ask {
                Ask::Nothing => {}
                Ask::Term => term(&found.traces)?,
                Ask::Kill => look.soon |= !sweep(&found.traces)?,
            }
        }
        (Verdict::Over(_), _) => look.soon = true,
        _ => {}
    }
    let phase = verdict.phase(found.facts.made_at);
    if before.phase.as_ref() != Some(&phase) {
        before.phase = Some(phase.clone());
        look.news.push(attempts.observed(&mark.attempt, phase));
    }
    Ok(())
}
