//! Percentages that change by themselves: a ramp by the time, steps by a guard.

mod guard;
mod ramp;
mod share;
mod stepper;
mod steps;

pub use guard::{Guard, Health};
pub use ramp::Ramp;
pub use share::Share;
pub use stepper::{Stepped, Stepper};
pub use steps::Steps;
