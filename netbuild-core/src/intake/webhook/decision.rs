//! What a request is answered, and what is recorded for it.

use std::fmt;

use super::Reason;
use crate::model::InvalidSource;
use crate::port::Event;

/// The answer to an event: a verdict for each of its changes and each project concerned, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The verdicts, in the order of the changes.
    pub verdicts: Vec<Verdict>,
}

/// What one change is for one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A build: record it in the [`Outbox`](crate::port::Outbox).
    Build(Box<Event>),
    /// Nothing, for a reason.
    Nothing(Reason),
    /// It names a source that must not be fetched.
    Refused(RefusedSource),
}

/// Why the source that an event names is not fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedSource {
    /// Its clone URL, ref or commit is none.
    #[error("the event names a source that is not fetched: {0}")]
    Invalid(#[from] InvalidSource),
    /// Its clone URL leads to another host than the one that the webhook belongs to. Where a Git host's clone host really
    /// is another, say so in [`ProjectSettings::url`](super::ProjectSettings::url).
    #[error("the event's clone URL leads away from its Git host: set the project's URL if it is right")]
    OtherHost,
}

impl Decision {
    /// The events to record, in their order, in one batch.
    pub fn events(&self) -> Vec<Event> {
        let event = |verdict: &Verdict| match verdict {
            Verdict::Build(event) => Some(Event::clone(event)),
            Verdict::Nothing(_) | Verdict::Refused(_) => None,
        };
        self.verdicts.iter().filter_map(event).collect()
    }

    /// The HTTP status that fits once the events are recorded: 202 for builds, 400 when a source was refused and nothing
    /// builds, else 200. When they could not be recorded it is 503, and the Git host is to deliver again.
    pub fn status(&self) -> u16 {
        let has = |kind: fn(&Verdict) -> bool| self.verdicts.iter().any(kind);
        if has(|verdict| matches!(verdict, Verdict::Build(_))) {
            202
        } else if has(|verdict| matches!(verdict, Verdict::Refused(_))) {
            400
        } else {
            200
        }
    }
}

impl fmt::Display for Decision {
    /// A line for each verdict, for the Git host's list of deliveries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verdicts.iter().try_for_each(|verdict| writeln!(f, "{verdict}"))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Build(event) => {
                write!(f, "build of {}: {}", event.build.project, event.build.context)
            }
            Verdict::Nothing(reason) => write!(f, "nothing to build: {reason}"),
            Verdict::Refused(refused) => write!(f, "refused: {refused}"),
        }
    }
}

impl From<RefusedSource> for Verdict {
    fn from(refused: RefusedSource) -> Self {
        Verdict::Refused(refused)
    }
}

impl From<InvalidSource> for Verdict {
    fn from(invalid: InvalidSource) -> Self {
        Verdict::Refused(invalid.into())
    }
}
