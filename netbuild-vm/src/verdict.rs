//! Where an attempt stands, whatever runs it.

use netbuild_core::model::{AttemptId, Cause, ExitRecord, Failure, Outcome, Report, Timestamp};
use netbuild_core::port::Phase;

/// What was found of the exit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExitFact {
    Absent,
    Ours(Report),
    OfAnother(AttemptId),
    Unreadable(String),
}

impl ExitFact {
    /// What a record says of an attempt.
    pub(crate) fn of(record: ExitRecord, attempt: &AttemptId) -> Self {
        if record.attempt == *attempt { ExitFact::Ours(record.report) } else { ExitFact::OfAnother(record.attempt) }
    }
}

/// Where an attempt stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
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

impl Verdict {
    /// The phase that others are told of what was made then. What is over but not yet seen to be gone counts as running.
    pub(crate) fn phase(&self, made_at: Timestamp) -> Phase {
        match self {
            Verdict::NotStarted => Phase::Pending { waits_for: "start".to_owned() },
            Verdict::Pending => Phase::Pending { waits_for: "runner".to_owned() },
            Verdict::Running { since } => Phase::Running { since: *since },
            Verdict::Over(_) => Phase::Running { since: made_at },
            Verdict::Ended(report) => Phase::Ended { report: report.clone() },
        }
    }
}

/// The report of an attempt that left none: what was concluded, what was seen, and how long its log became.
pub(crate) fn concluded(cause: Cause, what: &str, evidence: &str, log_bytes: u64) -> Report {
    let evidence = if evidence.is_empty() { what.to_owned() } else { format!("{what}\n{evidence}") };
    Report { log_bytes, ..Report::of(Outcome::Failed(Failure::new(cause, evidence))) }
}
