//! How a cancel goes on: TERM, the grace, KILL.

use std::time::Duration;

/// How far a cancel has gone. Times are of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Escalation {
    pub(crate) kill_at: Duration,
}

/// What to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Nothing,
    Term,
    Kill,
}

/// The next step of a cancel: TERM once, KILL from the end of the grace on. A later cancel may shorten the grace and never
/// prolongs it.
pub(crate) fn escalate(before: Option<Escalation>, grace: Duration, now: Duration) -> (Escalation, Ask) {
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
    use super::*;

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
