//! Pauses between repetitions of a request.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// The pause before repetition number `repetition`, from 0: twice as long each time, up to five seconds.
///
/// No randomness: one attempt has one runner, and requests of many runners do not start together.
pub(super) fn pause(repetition: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(repetition)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_are_bounded() {
        let millis = |n| pause(n).as_millis();
        assert_eq!(
            [millis(0), millis(1), millis(2), millis(5), millis(6), millis(u32::MAX)],
            [100, 200, 400, 3200, 5000, 5000]
        );
    }
}
