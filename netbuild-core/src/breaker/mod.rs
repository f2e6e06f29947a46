//! A circuit breaker: it stops calls to what keeps failing, lets a few through to look, and opens the way again.
//!
//! It stands around anything that is called and may fail. A call asks for a [`Permit`], does its work, and says how it
//! went. Nothing is logged in here and no clock is read: time is an argument, and a change of state is returned as a
//! [`Change`] to the call that caused it.
//!
//! ```
//! use std::time::Duration;
//! use netbuild_core::breaker::{Breaker, BreakerConfig, BreakerState, FailureRatio, Refused};
//!
//! let trip = FailureRatio { ratio: 0.3, window: 20, least_calls: 2 };
//! let breaker = Breaker::new(BreakerConfig { trip, ..BreakerConfig::default() });
//! let now = || Duration::from_secs(100); // your monotonic clock
//!
//! for _ in 0..2 {
//!     let permit = breaker.permit(now)?;
//!     if let Some(change) = permit.failed(now) {
//!         assert_eq!(change.to, BreakerState::Open { until: Duration::from_secs(101) });
//!     }
//! }
//! assert_eq!(breaker.permit(now).unwrap_err(), Refused { retry_after: Duration::from_secs(1) });
//!
//! // A second later one call is let through, and its success closes the breaker.
//! let probe = breaker.permit(|| Duration::from_secs(101))?;
//! assert!(probe.change().is_some_and(|change| change.to == BreakerState::HalfOpen));
//! assert!(probe.succeeded().is_some_and(|change| change.to == BreakerState::Closed));
//! # Ok::<(), Refused>(())
//! ```
//!
//! # States
//! | state | a call gets | until |
//! |---|---|---|
//! | closed | a permit | the trip rule says so after a failure |
//! | open | [`Refused`] | the open time is over and somebody asks |
//! | half-open | a permit, a *probe*, for as many as [`Recovery::probes`] at a time; the others [`Refused`] | a probe fails (open again, for longer), or [`Recovery::successes`] of them succeeded (closed) |
//!
//! A permit that is dropped without an answer, as when its future is, counts as nothing, and a probe's place is free
//! again. An answer that comes after the state changed is of another time and counts as nothing.
//!
//! # Trip rules
//! [`FailureRatio`] looks at the last so many calls. A [`TripPolicy`] of yours may look at anything. The feature
//! `failsafe` brings the policies of the crate of that name, as `FailsafePolicy`.
//!
//! # What a call costs
//! While the breaker is closed a permit is one atomic load, and so is most of a success: the ratio rule writes nothing
//! while its whole window succeeded, and else takes a place by one atomic addition; a policy has its successes counted by
//! one. No lock is taken and no clock is read until something failed.

mod config;
#[cfg(feature = "failsafe")]
mod failsafe;
mod machine;
mod open_times;
mod own_line;
mod period;
mod permit;
mod policy;
mod recovery;
mod state;
mod sync;
mod window;

pub use config::{BreakerConfig, FailureRatio, Recovery};
#[cfg(feature = "failsafe")]
pub use failsafe::FailsafePolicy;
pub use machine::Breaker;
pub use open_times::OpenTimes;
pub use permit::{Permit, Refused};
pub use policy::{TripPolicy, Verdict};
pub use state::{BreakerCounts, BreakerState, Change};
