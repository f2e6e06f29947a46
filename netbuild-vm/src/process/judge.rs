//! The decisions of the executor: functions of what was found, without I/O.

use std::time::Duration;

use netbuild_core::model::{AttemptId, AttemptNumber, Cause, Failure, Outcome, Report, Timestamp};
use netbuild_core::port::Phase;

/// What was found in an attempt's folder, and of its processes.
///
/// Whoever gathers it looks for the processes first and for the files they leave behind afterwards: in the other order
/// a runner could write its record and end between the two looks, and be taken for lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FolderFacts {
    pub(super) attempt: AttemptId,
    pub(super) made_at: Timestamp,
    /// The host has not been restarted since the folder was made.
    pub(super) same_boot: bool,
    /// The end as an executor has settled it, after it saw that nothing runs any more.
    pub(super) settled: Option<Report>,
    pub(super) runner: RunnerFact,
    pub(super) exit: ExitFact,
    pub(super) cancel_asked: bool,
    /// The runner still lives long after its exit record.
    pub(super) lingers: bool,
    pub(super) log_bytes: u64,
    /// The exit status of the runner, where it was our child, and the end of what it printed.
    pub(super) evidence: String,
}

/// What was found of the runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RunnerFact {
    /// It has not shown itself, and no process of the attempt is there.
    Absent {
        /// This executor did start one: it ended before it showed itself.
        was_started: bool,
    },
    /// It has not shown itself, but a process of the attempt is there.
    Coming,
    /// It has shown itself and lives.
    Runs { since: Timestamp },
    /// It has shown itself and lives no more.
    Gone,
}

/// What was found of the exit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExitFact {
    Absent,
    Ours(Report),
    OfAnother(AttemptId),
    Unreadable(String),
}

/// Where an attempt stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is a folder, but no runner was started, or it died before it did anything: a start makes up for it.
    NotStarted,
    /// A runner was started and has not shown itself.
    Pending,
    Running {
        since: Timestamp,
    },
    /// It is over; once nothing of it runs any more, this is its end.
    Over(Report),
    /// It has ended.
    Ended(Report),
}

/// Judges where an attempt stands.
pub(super) fn judge(facts: &FolderFacts) -> Verdict {
    if let Some(report) = &facts.settled {
        return Verdict::Ended(report.clone());
    }
    match (&facts.runner, &facts.exit) {
        (RunnerFact::Runs { .. }, ExitFact::Ours(report)) if facts.lingers => Verdict::Over(report.clone()),
        (RunnerFact::Runs { since }, _) => Verdict::Running { since: *since },
        (RunnerFact::Coming, _) => Verdict::Pending,
        (RunnerFact::Gone | RunnerFact::Absent { .. }, exit) => judge_dead(facts, exit),
    }
}

fn judge_dead(facts: &FolderFacts, exit: &ExitFact) -> Verdict {
    let failed = |cause, what: &str| Verdict::Over(conclude(facts, cause, what));
    match exit {
        ExitFact::Ours(report) => Verdict::Over(report.clone()),
        ExitFact::OfAnother(attempt) => {
            failed(Cause::RunnerBroken, &format!("the exit record is of another attempt, {attempt}"))
        }
        ExitFact::Absent | ExitFact::Unreadable(_) if !facts.same_boot => failed(Cause::Lost, "the host was restarted"),
        ExitFact::Unreadable(why) => failed(Cause::RunnerBroken, &format!("the exit record cannot be read: {why}")),
        ExitFact::Absent if facts.cancel_asked => {
            Verdict::Over(Report { log_bytes: facts.log_bytes, ..Report::of(Outcome::Cancelled) })
        }
        ExitFact::Absent => match facts.runner {
            RunnerFact::Absent { was_started: false } => Verdict::NotStarted,
            RunnerFact::Absent { was_started: true } => failed(Cause::RunnerBroken, "the runner ended before it began"),
            RunnerFact::Gone | RunnerFact::Coming | RunnerFact::Runs { .. } => {
                failed(Cause::Lost, "the runner is gone without an exit record")
            }
        },
    }
}

fn conclude(facts: &FolderFacts, cause: Cause, what: &str) -> Report {
    let evidence = if facts.evidence.is_empty() { what.to_owned() } else { format!("{what}\n{}", facts.evidence) };
    Report { log_bytes: facts.log_bytes, ..Report::of(Outcome::Failed(Failure::new(cause, evidence))) }
}

impl Verdict {
    /// The phase that others are told. What is over but not yet seen to be gone counts as running.
    pub(super) fn phase(&self, facts: &FolderFacts) -> Phase {
        match self {
            Verdict::NotStarted => Phase::Pending { waits_for: "start".to_owned() },
            Verdict::Pending => Phase::Pending { waits_for: "runner".to_owned() },
            Verdict::Running { since } => Phase::Running { since: *since },
            Verdict::Over(_) => Phase::Running { since: facts.made_at },
            Verdict::Ended(report) => Phase::Ended { report: report.clone() },
        }
    }
}

/// What a start does when the name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartDecision {
    /// Start a runner in the folder that is there: none ever ran in it.
    Spawn,
    /// Answer what is there.
    Adopt,
    /// Remove what is there for good, and create.
    Replace,
    /// It is over, and its last processes are being ended: look again soon.
    Wait,
    NameTaken,
    Stale,
}

/// Decides what a start with `fence` does when the name is held by the attempt `held`.
pub(super) fn decide_start(held: AttemptNumber, verdict: &Verdict, fence: AttemptNumber) -> StartDecision {
    match held.cmp(&fence) {
        std::cmp::Ordering::Greater => StartDecision::Stale,
        std::cmp::Ordering::Equal => match verdict {
            Verdict::NotStarted => StartDecision::Spawn,
            Verdict::Pending | Verdict::Running { .. } | Verdict::Over(_) | Verdict::Ended(_) => StartDecision::Adopt,
        },
        std::cmp::Ordering::Less => match verdict {
            Verdict::NotStarted | Verdict::Ended(_) => StartDecision::Replace,
            Verdict::Over(_) => StartDecision::Wait,
            Verdict::Pending | Verdict::Running { .. } => StartDecision::NameTaken,
        },
    }
}

/// How far a cancel has gone. Times are of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Escalation {
    pub(super) kill_at: Duration,
}

/// What to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Nothing,
    Term,
    Kill,
}

/// The next step of a cancel: TERM once, KILL from the end of the grace on. A later cancel may shorten the grace and never
/// prolongs it.
pub(super) fn escalate(before: Option<Escalation>, grace: Duration, now: Duration) -> (Escalation, Ask) {
    let kill_at = before.map_or(Duration::MAX, |before| before.kill_at).min(now.saturating_add(grace));
    let ask = if now >= kill_at {
        Ask::Kill
    } else if before.is_none() {
        Ask::Term
    } else {
        Ask::Nothing
    };
    (Escalation { kill_at }, ask)
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::{AccountId, BuildId, BuildKey, ProjectId};

    use super::*;

    const AT: Timestamp = Timestamp::from_millis(5);

    fn attempt(number: u32) -> AttemptId {
        BuildKey {
            account: AccountId::new("acme").unwrap(),
            project: ProjectId::new("site").unwrap(),
            build: BuildId::new(AT, [1; 10]),
        }
        .attempt(AttemptNumber::new(number))
    }

    fn facts(runner: RunnerFact, exit: ExitFact) -> FolderFacts {
        FolderFacts {
            attempt: attempt(1),
            made_at: AT,
            same_boot: true,
            settled: None,
            runner,
            exit,
            cancel_asked: false,
            lingers: false,
            log_bytes: 7,
            evidence: "killed".to_owned(),
        }
    }

    fn success() -> Report {
        Report::of(Outcome::Succeeded { deploy: None })
    }

    fn cause(verdict: &Verdict) -> Option<&Cause> {
        match verdict {
            Verdict::Over(report) => report.outcome.failure().map(|failure| &failure.cause),
            _ => None,
        }
    }

    #[test]
    fn success_needs_our_own_record_and_a_dead_runner() {
        let ours = ExitFact::Ours(success());
        let runs = RunnerFact::Runs { since: AT };
        assert_eq!(judge(&facts(RunnerFact::Gone, ours.clone())), Verdict::Over(success()));
        assert_eq!(judge(&facts(runs.clone(), ours.clone())), Verdict::Running { since: AT });
        let lingering = FolderFacts { lingers: true, ..facts(runs.clone(), ours.clone()) };
        assert_eq!(judge(&lingering), Verdict::Over(success()));
        let lingering = FolderFacts { lingers: true, ..facts(runs, ExitFact::Absent) };
        assert_eq!(judge(&lingering), Verdict::Running { since: AT });
        let cancelled = FolderFacts { cancel_asked: true, ..facts(RunnerFact::Gone, ours.clone()) };
        assert_eq!(judge(&cancelled), Verdict::Over(success()), "it was done before the cancel came");
        let rebooted = FolderFacts { same_boot: false, ..facts(RunnerFact::Gone, ours) };
        assert_eq!(judge(&rebooted), Verdict::Over(success()));
    }

    #[test]
    fn a_runner_that_left_nothing_is_lost_or_cancelled() {
        let gone = facts(RunnerFact::Gone, ExitFact::Absent);
        assert_eq!(cause(&judge(&gone)), Some(&Cause::Lost));
        let Verdict::Over(report) = judge(&gone) else { panic!("over") };
        assert_eq!(report.log_bytes, 7);
        assert_eq!(report.outcome.failure().unwrap().evidence, "the runner is gone without an exit record\nkilled");
        let Verdict::Over(report) = judge(&FolderFacts { cancel_asked: true, ..gone.clone() }) else { panic!("over") };
        assert_eq!(report.outcome, Outcome::Cancelled);
        assert_eq!(cause(&judge(&FolderFacts { same_boot: false, ..gone })), Some(&Cause::Lost));
    }

    #[test]
    fn records_that_prove_nothing_break_the_runner() {
        let other = facts(RunnerFact::Gone, ExitFact::OfAnother(attempt(2)));
        assert_eq!(cause(&judge(&other)), Some(&Cause::RunnerBroken));
        let torn = facts(RunnerFact::Gone, ExitFact::Unreadable("EOF".to_owned()));
        assert_eq!(cause(&judge(&torn)), Some(&Cause::RunnerBroken));
        assert_eq!(cause(&judge(&FolderFacts { same_boot: false, ..torn })), Some(&Cause::Lost), "torn by a power cut");
    }

    #[test]
    fn a_runner_that_never_showed_itself() {
        let absent = |was_started| facts(RunnerFact::Absent { was_started }, ExitFact::Absent);
        assert_eq!(judge(&absent(false)), Verdict::NotStarted);
        assert_eq!(cause(&judge(&absent(true))), Some(&Cause::RunnerBroken));
        assert_eq!(cause(&judge(&FolderFacts { same_boot: false, ..absent(false) })), Some(&Cause::Lost));
        assert_eq!(judge(&facts(RunnerFact::Coming, ExitFact::Absent)), Verdict::Pending);
        let cancelled = judge(&FolderFacts { cancel_asked: true, ..absent(false) });
        assert!(matches!(cancelled, Verdict::Over(report) if report.outcome == Outcome::Cancelled));
    }

    #[test]
    fn what_was_settled_stays() {
        let settled = FolderFacts { settled: Some(success()), ..facts(RunnerFact::Coming, ExitFact::Absent) };
        assert_eq!(judge(&settled), Verdict::Ended(success()));
    }

    #[test]
    fn the_fence_decides_who_gets_the_name() {
        use StartDecision::{Adopt, NameTaken, Replace, Spawn, Stale, Wait};
        let running = Verdict::Running { since: AT };
        let table = [
            (Verdict::NotStarted, Replace, Spawn),
            (Verdict::Pending, NameTaken, Adopt),
            (running, NameTaken, Adopt),
            (Verdict::Over(success()), Wait, Adopt),
            (Verdict::Ended(success()), Replace, Adopt),
        ];
        for (verdict, lower, same) in table {
            let decide = |held| decide_start(AttemptNumber::new(held), &verdict, AttemptNumber::new(2));
            assert_eq!((decide(1), decide(2), decide(3)), (lower, same, Stale), "{verdict:?}");
        }
    }

    #[test]
    fn a_cancel_terms_once_and_kills_after_the_shortest_grace() {
        let s = Duration::from_secs;
        let (state, ask) = escalate(None, s(10), s(100));
        assert_eq!((state.kill_at, ask), (s(110), Ask::Term));
        assert_eq!(escalate(Some(state), s(10), s(105)), (state, Ask::Nothing));
        assert_eq!(escalate(Some(state), s(60), s(109)), (state, Ask::Nothing), "never prolonged");
        assert_eq!(escalate(Some(state), s(10), s(110)).1, Ask::Kill);
        assert_eq!(escalate(Some(state), s(1), s(105)).0.kill_at, s(106), "but shortened");
        assert_eq!(escalate(None, Duration::ZERO, s(1)).1, Ask::Kill);
        assert_eq!(escalate(None, Duration::MAX, s(1)).1, Ask::Term);
    }
}
