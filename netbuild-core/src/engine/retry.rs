//! Whether a failed attempt is tried again, and when.

use std::time::Duration;

use super::config::EngineConfig;
use crate::model::{AttemptNumber, BuildId, Cause, OnUnknown, Owner, RetryAt};

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// The failure is the build's.
    GiveUp,
    /// Another attempt, after a time.
    Again { after: Duration },
}

/// The retry rule: a customer's or a configuration's failure is never repeated where it happened; infrastructure's is,
/// with a growing wait, until the attempts are used up; what is unknown only where the build allows to run twice.
pub(super) fn decide(
    cause: &Cause,
    on_unknown: OnUnknown,
    build: BuildId,
    attempt: AttemptNumber,
    config: &EngineConfig,
) -> Retry {
    if place(cause, on_unknown) == RetryAt::Nowhere || attempt.get() >= config.max_attempts {
        return Retry::GiveUp;
    }
    Retry::Again { after: backoff(build, attempt, config) }
}

/// Where another attempt has a chance.
pub(super) fn place(cause: &Cause, on_unknown: OnUnknown) -> RetryAt {
    match cause.owner() {
        Owner::Unknown if on_unknown == OnUnknown::Rerun => RetryAt::OtherHost,
        _ => cause.retry_at(),
    }
}

/// Doubles with each attempt up to the cap, less up to a quarter by build, so that builds that failed together do not come
/// back together. The spread comes from the id: the same build waits the same time in every replay.
fn backoff(build: BuildId, attempt: AttemptNumber, config: &EngineConfig) -> Duration {
    let doublings = attempt.get().saturating_sub(1).min(20);
    let full = config.retry_base.saturating_mul(1 << doublings).min(config.retry_cap);
    let bytes = build.as_uuid().as_bytes();
    let spread = u32::from(bytes[15] ^ bytes[14].rotate_left(attempt.get() % 8));
    full - full.mul_f64(f64::from(spread) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn id(n: u8) -> BuildId {
        BuildId::new(Timestamp::EPOCH, [n; 10])
    }

    #[test]
    fn owners_decide() {
        let config = EngineConfig::default();
        let decide =
            |cause: Cause, on_unknown, attempt| decide(&cause, on_unknown, id(0), AttemptNumber::new(attempt), &config);
        for cause in [Cause::CommandFailed { code: 1 }, Cause::OutOfMemory, Cause::SecretMissing, Cause::QueueTimeout] {
            assert_eq!(decide(cause, OnUnknown::Rerun, 1), Retry::GiveUp);
        }
        assert!(matches!(decide(Cause::Lost, OnUnknown::Park, 1), Retry::Again { .. }));
        assert_eq!(place(&Cause::Lost, OnUnknown::Park), RetryAt::SameExecutor);
        assert!(matches!(decide(Cause::HostLost, OnUnknown::Park, 2), Retry::Again { .. }));
        assert_eq!(place(&Cause::HostLost, OnUnknown::Park), RetryAt::OtherHost);
        assert_eq!(decide(Cause::Lost, OnUnknown::Park, 3), Retry::GiveUp, "three attempts are the bound");
        assert_eq!(decide(Cause::Unknown, OnUnknown::Park, 1), Retry::GiveUp, "at most once");
        assert!(matches!(decide(Cause::Unknown, OnUnknown::Rerun, 1), Retry::Again { .. }), "at least once");
    }

    #[test]
    fn the_wait_doubles_is_spread_and_capped() {
        let config = EngineConfig::default();
        for n in 0..=255 {
            for attempt in 1..40 {
                let full = Duration::from_secs(1 << (attempt - 1).min(20)).min(Duration::from_secs(60));
                let wait = backoff(id(n), AttemptNumber::new(attempt), &config);
                assert!(wait <= full && wait >= full.mul_f64(0.75), "{wait:?} of {full:?}");
            }
        }
    }
}
