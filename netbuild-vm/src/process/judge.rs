//! The decisions of the executor: functions of what was found, without I/O.

use netbuild_core::model::{AttemptId, Cause, Outcome, Report, Timestamp};

use crate::verdict::{ExitFact, Verdict, concluded};

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
    let failed = |cause, what: &str| Verdict::Over(concluded(cause, what, &facts.evidence, facts.log_bytes));
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

#[cfg(test)]
mod tests {
    use netbuild_core::model::{AccountId, AttemptNumber, BuildId, BuildKey, ProjectId};

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
}
