//! Under the same policy ours and the state machine of `failsafe` open at the same call, and after a failed or a good probe
//! stand alike. Its time cannot be moved, so open times are nothing or for ever here.

use std::time::Duration;

use failsafe::backoff::{self, Constant};
use failsafe::failure_policy::{self, ConsecutiveFailures};
use failsafe::{CircuitBreaker, Config, Error};
use netbuild_core::breaker::failsafe::Failsafe;
use netbuild_core::breaker::{Breaker, BreakerConfig};
use proptest::prelude::*;

const LONG: Duration = Duration::from_secs(1_000_000);

fn policy(failures: u32) -> ConsecutiveFailures<Constant> {
    failure_policy::consecutive_failures(failures, backoff::constant(LONG))
}

proptest! {
    #[test]
    fn both_open_at_the_same_call(failures in 1_u32..8, calls in prop::collection::vec(any::<bool>(), 1..100)) {
        let theirs = Config::new().failure_policy(policy(failures)).build();
        let ours = Breaker::with_policy(&BreakerConfig::default(), Box::new(Failsafe::new(policy(failures))));
        for (number, good) in calls.into_iter().enumerate() {
            let answer = theirs.call(|| if good { Ok(()) } else { Err(()) });
            let let_through = !matches!(answer, Err(Error::Rejected));
            let permit = ours.permit(|| Duration::ZERO);
            prop_assert_eq!(permit.is_ok(), let_through, "call {}", number);
            if let Ok(permit) = permit {
                if good { permit.succeeded() } else { permit.failed(|| Duration::ZERO) };
            }
        }
    }
}
