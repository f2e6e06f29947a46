//! Attempts as process groups of this host.
//!
//! Each attempt has a folder, `<root>/<build name>`, with the files of
//! [`AttemptFolder`](netbuild_core::model::AttemptFolder) and four more that are the executor's own:
//!
//! ```text
//! boot.json      in which boot of the host the folder was made
//! cancel.json    that a cancel was asked, and with which grace
//! runner.out     what the runner itself printed: evidence, should it break
//! settled.json   how the attempt ended; written once nothing of it runs any more
//! ```
//!
//! Everything that must survive a crash of the scheduler is in these files or can be read from `/proc`; an executor that
//! is opened later goes on with it.
//!
//! # Why no attempt runs twice
//! - The folder is made under another name, with its mark inside, and renamed into place. A rename onto a folder that is
//!   not empty fails: the name is the lock.
//! - What judges or changes a folder holds a `flock` on it. A child keeps the descriptor of this lock until it executes its
//!   program, and from then on has the attempt's cookie in its environment. So under the lock every process of the
//!   attempt is visible, and a runner is started only when there is none and none ever showed itself.
//! - Should two runners meet nevertheless, the runner's own lock lets one go on; the executor never touches that one.
//! - A runner is known by pid, start time and boot id, never by its pid alone.
//!
//! # When an attempt has ended
//! When its runner is dead (and, should it hang with its exit record written, has been killed), and no process is left
//! with its cookie or in its runner's group; what is left is killed first. The runner kills all that descends from its
//! command before it ends. Only when the runner itself was killed, a process that has left the runner's group and cleared
//! its environment is not found. Without an exit record of this very attempt, the end is
//! [`Cancelled`](netbuild_core::model::Outcome::Cancelled) if a cancel was asked, and else
//! [`Lost`](netbuild_core::model::Cause::Lost) or [`RunnerBroken`](netbuild_core::model::Cause::RunnerBroken), with what
//! the runner printed last.
//!
//! # No boundary between tenants
//! Commands run as the user of this process and can read and signal what that user can. This executor is for repositories
//! that you trust; others belong into containers or pods.
//!
//! # Assumptions
//! Linux with `/proc`, and a local disk. All executors on one root belong to one user and see the same processes.

mod attempts;
mod calls;
mod children;
mod error;
mod executor;
mod facts;
mod files;
mod folders;
mod judge;
mod options;
mod proc_table;
mod signals;
mod spawn;
mod start;
mod supervisor;

pub use error::OpenError;
pub use executor::ProcessExecutor;
pub use options::{ProcessOptions, RunnerCommand};
