//! The events of a fake, each with a number, so that every stream has a place of its own among them.

use std::collections::VecDeque;

use crate::port::ExecutorEvent;

/// The events that are kept at most; a stream that is behind further gets a gap.
const MAX_EVENTS: usize = 4096;

/// The latest events.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    kept: VecDeque<ExecutorEvent>,
    /// The number of the first kept one.
    first: u64,
    /// Events are not kept.
    pub(super) dropping: bool,
    /// How often all streams were ended.
    pub(super) ends: u64,
}

/// The place of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    next: u64,
    ends: u64,
}

/// What a stream says next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Event(ExecutorEvent),
    Nothing,
    End,
}

impl EventLog {
    pub(super) fn push(&mut self, event: ExecutorEvent) {
        if self.dropping {
            return;
        }
        if self.kept.len() == MAX_EVENTS {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(event);
    }

    /// The place of a stream that begins now.
    pub(super) fn place(&self) -> Place {
        Place { next: self.first + self.kept.len() as u64, ends: self.ends }
    }

    /// What a stream at a place says next; the place moves on.
    pub(super) fn next(&self, place: &mut Place) -> Next {
        if place.ends != self.ends {
            return Next::End;
        }
        if place.next < self.first {
            place.next = self.first;
            return Next::Event(ExecutorEvent::Gap);
        }
        let at = usize::try_from(place.next - self.first).unwrap_or(usize::MAX);
        match self.kept.get(at) {
            Some(event) => {
                place.next += 1;
                Next::Event(event.clone())
            }
            None => Next::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_too_far_behind_gets_a_gap_and_goes_on() {
        let mut log = EventLog::default();
        let mut place = log.place();
        for _ in 0..=MAX_EVENTS {
            log.push(ExecutorEvent::Gap);
        }
        let mut told = 0;
        while log.next(&mut place) != Next::Nothing {
            told += 1;
        }
        assert_eq!(told, MAX_EVENTS + 1, "a gap and all that is kept");
        log.ends += 1;
        assert_eq!(log.next(&mut place), Next::End);
        assert_eq!(log.next(&mut log.place()), Next::Nothing);
    }
}
