//! The engine: the pure state machine of the scheduler.
//!
//! A build is admitted, waits in the lane of its executor, gets an attempt, and ends; or its attempt fails for a reason
//! that is not the customer's and it waits for another one. [`Engine::step`] takes one [`Input`] and a time and answers
//! with [`Effects`]. What must survive a crash is in [`Effects::persist`] and is written before [`Effects::act`] is
//! carried out; [`Engine::restore`] takes the ledger's open builds back in.
//!
//! ```text
//!  Admitted                    has room, policy says           StartAnswered        Beat, Observed
//!     |                                  |                           |                    |
//!     v                                  v                           v                    v
//!  Queued ------------------------> Live(Asking) ------------> Live(Pending) ----> Live(Running)
//!     ^                                  |  ^                        |                    |
//!     | backoff passed                   v  | ask again              |  Reported, Ended, absent from a list
//!  Waiting <--- not their fault     Live(AskAgain)                   v                    v
//!     ^                                                     ------ settled ---------------'
//!     '----------------------------------------------------'  |        |
//!                                                              v        v
//!                                                     Activating --> ended
//! ```
//!
//! An attempt that cannot be seen stays live as *unknown* until it is seen, is absent from a complete list, or has
//! certainly ended by itself because its runner's lease passed: only then may another one start.

mod attempt;
mod builds;
mod config;
mod entry;
mod machine;
mod queue;
mod restore;
mod retry;
mod sequence;
mod settle;
mod step;
mod turn;

pub use config::EngineConfig;
pub use machine::{Engine, EngineStats};
pub use sequence::{Sequencer, SequencerConfig};
pub use step::{Action, Effects, Input, StartAnswer};
