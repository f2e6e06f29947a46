//! A circuit breaker: what fails too often is left alone for a while, then tried with one call.
//!
//! A caller takes a [`Permit`] before its call and settles it after: [`succeeded`](Permit::succeeded) or
//! [`failed`](Permit::failed). A permit that is dropped counts nothing and frees its place.
//!
//! ```
//! use std::time::Duration;
//!
//! use netbuild_core::breaker::{Breaker, BreakerConfig, BreakerState};
//!
//! let breaker = Breaker::new(BreakerConfig { window: 10, min_calls: 2, ..BreakerConfig::default() });
//! let mut now = Duration::ZERO;
//! for _ in 0..2 {
//!     let permit = breaker.permit(|| now).expect("a closed breaker lets every call through");
//!     permit.failed(|| now);
//! }
//! assert!(matches!(breaker.state(), BreakerState::Open { .. }));
//!
//! let refused = breaker.permit(|| now).expect_err("an open one refuses");
//! now += refused.retry_after;
//! let probe = breaker.permit(|| now).expect("past its time it lets one probe through");
//! assert!(breaker.permit(|| now).is_err(), "and no second one");
//! let change = probe.succeeded().expect("the probe closes it");
//! assert_eq!(change.to, BreakerState::Closed);
//! ```
//!
//! # States
//! | state | permits | ends |
//! |---|---|---|
//! | closed | every call | when the [policy](TripPolicy) says so after a failure |
//! | open | none | when its time is over and somebody asks |
//! | half-open | [`probes`](BreakerConfig::probes) at once | closed by as many successes, open again by one failure |
//!
//! A result belongs to the state in which its permit was given: what a call from before a trip says later is ignored.
//! Changes of the state are returned to whoever caused them; nothing is logged here.
//!
//! # When it opens
//! By default at 30% failures among the last 20 calls, which is what the first users of such a breaker around a publish
//! settled on. Or by a [`TripPolicy`] of the host's; with the feature `failsafe` by the policies and backoffs of the crate of
//! that name, in [`failsafe`].
//!
//! # Time and cost
//! Time is an argument, asked for only when it counts: a breaker that is closed reads no clock and takes no lock for a call
//! that succeeds. While the window holds no failure such a call only loads two words; otherwise it adds to one counter.

mod config;
#[cfg(feature = "failsafe")]
pub mod failsafe;
mod machine;
mod open_time;
mod permit;
mod policy;
mod state;
mod window;

pub use config::BreakerConfig;
pub use machine::{Breaker, BreakerCounts};
pub use permit::Permit;
pub use policy::TripPolicy;
pub use state::{BreakerState, Change, Refused};
