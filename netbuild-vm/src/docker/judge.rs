//! What the state of a container and the record of its runner say: functions of what was found, without I/O.

use netbuild_core::model::{AttemptId, Cause, Failure, Outcome, Report, Timestamp};

use crate::verdict::{ExitFact, Verdict, concluded};

/// What was found of an attempt's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContainerFacts {
    pub(super) attempt: AttemptId,
    pub(super) state: State,
    pub(super) exit: ExitFact,
    /// A start is at it at this moment.
    pub(super) is_starting: bool,
    pub(super) cancel_asked: bool,
    /// The daemon was restarted while the container ran.
    pub(super) daemon_restarted: bool,
    pub(super) log_bytes: u64,
}

/// The state of a container, as its daemon tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It was never started.
    Created,
    /// It runs, or is paused, which ends too.
    Running { since: Timestamp },
    /// It is being removed: nothing of it runs.
    Removing,
    /// It has ended.
    Exited {
        /// The exit code of its first process, the runner; above 128 it was killed by a signal.
        code: i64,
        /// The kernel killed some process of it for memory. That can come with any exit code, 0 included.
        oom_killed: bool,
        /// What the daemon says went wrong.
        error: String,
    },
}

/// An exit code above it is of a process that was killed by a signal.
const SIGNALS: i64 = 128;

/// Judges where an attempt stands.
pub(super) fn judge(facts: &ContainerFacts) -> Verdict {
    match &facts.state {
        State::Created if facts.is_starting => Verdict::Pending,
        // Nothing of it ran, and nothing shall.
        State::Created if facts.cancel_asked => Verdict::Ended(Report::of(Outcome::Cancelled)),
        State::Created => Verdict::NotStarted,
        State::Running { since } => Verdict::Running { since: *since },
        State::Removing => {
            Verdict::Over(concluded(Cause::DeletedByOthers, "the container is being removed", "", facts.log_bytes))
        }
        State::Exited { code, oom_killed, error } => Verdict::Ended(ended(facts, *code, *oom_killed, error)),
    }
}

fn ended(facts: &ContainerFacts, code: i64, oom_killed: bool, error: &str) -> Report {
    let failed = |cause, what: &str| concluded(cause, what, error, facts.log_bytes);
    match &facts.exit {
        ExitFact::Ours(report) => own(report.clone(), facts, oom_killed),
        ExitFact::OfAnother(attempt) => {
            failed(Cause::RunnerBroken, &format!("the exit record is of another attempt, {attempt}"))
        }
        // The reason before the exit code.
        _ if oom_killed => failed(Cause::OutOfMemory, "the memory limit was passed, and the runner was killed for it"),
        _ if facts.cancel_asked => Report { log_bytes: facts.log_bytes, ..Report::of(Outcome::Cancelled) },
        _ if facts.daemon_restarted => {
            failed(Cause::DaemonRestarted, "the Docker daemon was restarted and ended the container")
        }
        ExitFact::Unreadable(why) => failed(Cause::RunnerBroken, &format!("the exit record cannot be read: {why}")),
        ExitFact::Absent if code > SIGNALS => {
            let signal = code - SIGNALS;
            failed(Cause::DeletedByOthers, &format!("somebody else killed the container with signal {signal}"))
        }
        ExitFact::Absent => failed(
            Cause::RunnerBroken,
            &format!("the runner ended with code {code} and left no exit record; its container's log says why"),
        ),
    }
}

/// The runner's own report, which is the evidence, but for what it cannot know.
fn own(report: Report, facts: &ContainerFacts, oom_killed: bool) -> Report {
    let outcome = match report.outcome {
        // It has seen a process of the command end and not why.
        Outcome::Failed(Failure { cause: Cause::CommandFailed { .. } | Cause::CommandKilled { .. }, evidence })
            if oom_killed =>
        {
            Outcome::Failed(Failure::new(Cause::OutOfMemory, format!("the memory limit was passed\n{evidence}")))
        }
        // It got a TERM that was not ours.
        Outcome::Cancelled if !facts.cancel_asked && facts.daemon_restarted => {
            let text = "the Docker daemon was restarted and ended the container";
            Outcome::Failed(Failure::new(Cause::DaemonRestarted, text))
        }
        outcome => outcome,
    };
    Report { outcome, ..report }
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::{AccountId, AttemptNumber, BuildId, BuildKey, ProjectId};

    use super::*;

    fn facts(state: State, exit: ExitFact) -> ContainerFacts {
        let (account, project) = (AccountId::new("acme").unwrap(), ProjectId::new("site").unwrap());
        let build = BuildKey { account, project, build: BuildId::new(Timestamp::EPOCH, [1; 10]) };
        let attempt = build.attempt(AttemptNumber::FIRST);
        ContainerFacts {
            attempt,
            state,
            exit,
            is_starting: false,
            cancel_asked: false,
            daemon_restarted: false,
            log_bytes: 7,
        }
    }

    fn exited(code: i64, oom_killed: bool) -> State {
        State::Exited { code, oom_killed, error: String::new() }
    }

    fn record(outcome: Outcome) -> ExitFact {
        ExitFact::Ours(Report::of(outcome))
    }

    fn failed(cause: Cause) -> ExitFact {
        record(Outcome::Failed(Failure::new(cause, "")))
    }

    fn label(facts: &ContainerFacts) -> &'static str {
        match judge(facts) {
            Verdict::Ended(report) => report.outcome.label(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_container_that_has_exited_has_ended() {
        let success = || record(Outcome::Succeeded { deploy: None });
        let since = Timestamp::from_millis(5);
        let created = facts(State::Created, success());
        assert_eq!(judge(&created), Verdict::NotStarted);
        assert_eq!(judge(&ContainerFacts { is_starting: true, ..created.clone() }), Verdict::Pending);
        assert_eq!(label(&ContainerFacts { cancel_asked: true, ..created }), "cancelled");
        assert_eq!(judge(&facts(State::Running { since }, success())), Verdict::Running { since });
        assert!(matches!(judge(&facts(State::Removing, ExitFact::Absent)), Verdict::Over(_)));
    }

    #[test]
    fn ends() {
        let success = || record(Outcome::Succeeded { deploy: None });
        let absent = || ExitFact::Absent;
        let table = [
            (exited(0, false), success(), "succeeded"),
            (exited(0, false), absent(), "runner_broken"),
            (exited(0, true), absent(), "out_of_memory"),
            (exited(137, true), absent(), "out_of_memory"),
            (exited(137, false), absent(), "deleted_by_others"),
            (exited(143, false), absent(), "deleted_by_others"),
            (exited(1, false), absent(), "runner_broken"),
            (exited(0, false), ExitFact::Unreadable("EOF".to_owned()), "runner_broken"),
            (exited(0, false), failed(Cause::CommandFailed { code: 137 }), "command_failed"),
            (exited(0, true), failed(Cause::CommandFailed { code: 137 }), "out_of_memory"),
            (exited(0, true), failed(Cause::CommandKilled { signal: 9 }), "out_of_memory"),
            (exited(0, false), failed(Cause::CommandKilled { signal: 11 }), "command_killed"),
            (exited(0, true), failed(Cause::SourceNotFound), "source_not_found"),
            // The runner has seen that no process of the command was killed.
            (exited(0, true), success(), "succeeded"),
            (exited(0, false), record(Outcome::Cancelled), "cancelled"),
        ];
        for (state, exit, expected) in table {
            assert_eq!(label(&facts(state.clone(), exit.clone())), expected, "{state:?} {exit:?}");
        }
    }

    #[test]
    fn a_restart_of_the_daemon_is_no_cancel_and_a_cancel_is() {
        let killed = facts(exited(137, false), ExitFact::Absent);
        let restarted = |facts: ContainerFacts| ContainerFacts { daemon_restarted: true, ..facts };
        let cancelled = |facts: ContainerFacts| ContainerFacts { cancel_asked: true, ..facts };
        assert_eq!(label(&restarted(killed.clone())), "daemon_restarted");
        assert_eq!(label(&cancelled(killed.clone())), "cancelled");
        assert_eq!(label(&restarted(cancelled(killed))), "cancelled");
        let termed = facts(exited(0, false), record(Outcome::Cancelled));
        assert_eq!(label(&restarted(termed.clone())), "daemon_restarted");
        assert_eq!(label(&restarted(cancelled(termed))), "cancelled");
        let done = facts(exited(0, false), record(Outcome::Succeeded { deploy: None }));
        assert_eq!(label(&restarted(done)), "succeeded", "it was done before");
    }

    #[test]
    fn a_conclusion_keeps_the_length_of_the_log_and_what_the_daemon_said() {
        let state = State::Exited { code: 1, oom_killed: false, error: "no space left".to_owned() };
        let Verdict::Ended(report) = judge(&facts(state, ExitFact::Absent)) else { panic!("ended") };
        assert_eq!(report.log_bytes, 7);
        assert!(report.outcome.failure().unwrap().evidence.ends_with("no space left"));
    }
}
