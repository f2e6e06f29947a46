//! What tests are made of: clocks that stand still, values that are valid, mocks of the ports, and the conformance suites
//! that every implementation of a port passes.
//!
//! Behind the feature `testkit`; public on purpose. A policy, an executor or a store of your own is tested with the same
//! parts as netbuild's.

mod canary;
pub mod conformance;
mod fake_executor;
mod fake_log_store;
#[cfg(feature = "fault-proxy")]
pub mod fault_proxy;
pub mod fixtures;
mod loop_disk;
mod manual_clock;
pub mod mocks;
mod tokio_clock;
mod virtual_run;

pub use canary::{Canary, Leak};
pub use fake_executor::{
    CallFault, FakeCall, FakeCallKind, FakeExecutor, FakeExecutorHandle, LiveAttempts, Play, StartFault, deploy_of,
};
pub use fake_log_store::{FakeLogStore, LogStoreMood};
pub use loop_disk::{LoopDisk, PowerCutDisk};
pub use manual_clock::ManualClock;
pub use tokio_clock::TokioClock;
pub use virtual_run::{VirtualAttempt, VirtualRun};
