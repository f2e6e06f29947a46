//! An executor in memory that does what a test says.

mod events;
mod executor;
mod faults;
mod handle;
mod live_attempts;
mod play;
mod state;

pub use executor::FakeExecutor;
pub use faults::{CallFault, FakeCall, FakeCallKind, StartFault};
pub use handle::FakeExecutorHandle;
pub use live_attempts::LiveAttempts;
pub use play::{Play, deploy_of};
