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
//! with its cookie, in its runner's group or of its user; what is left is killed first. The runner kills all that descends
//! from its command before it ends. Only when the runner itself was killed and the command had no user of its own, a
//! process that has left the runner's group and cleared its environment is not found. Without an exit record of this very attempt, the end is
//! [`Cancelled`](netbuild_core::model::Outcome::Cancelled) if a cancel was asked, and else
//! [`Lost`](netbuild_core::model::Cause::Lost) or [`RunnerBroken`](netbuild_core::model::Cause::RunnerBroken), with what
//! the runner printed last.
//!
//! # What keeps commands apart
//! Without [`ProcessOptions::users`], nothing: commands run as the user of this process, can read and signal what that user
//! can, and can write the exit record that says how they ended. That is for repositories that you trust.
//!
//! With it, each command runs as a user of its own, without other groups, and no program that it starts gains rights.
//! What one user cannot do to another, it cannot do either:
//! - read the memory or environment of the runner, of the host application or of another command, or signal them;
//! - read or write more than `work/`, `home/` and `tmp/` of its own attempt: not the exit record, not the log, no other
//!   attempt, none of the host's private files;
//! - leave a process behind, or be without a bound on their number.
//!
//! It is still no boundary between tenants who attack each other. Commands share with the host and with each other:
//! - the kernel, with all of its system calls;
//! - the network, with the services that listen on this host's loopback address, and abstract sockets;
//! - processor, memory, disk space and inodes: one command can use up what all need;
//! - `/tmp`, `/dev/shm` and whatever else all users may write. What a command leaves there stays, and is a later
//!   attempt's own once the range of users was gone through (see [`ProcessOptions::users`]);
//! - whatever all users may read: system files, and in `/proc` the list of processes with their command lines.
//!
//! Tenants who do not trust each other belong into containers or pods, and there still share a kernel.
//!
//! # Assumptions
//! Linux with `/proc`, and a local disk. All executors on one root belong to one user, have the same range of users for
//! commands, and see the same processes.

mod attempts;
mod calls;
mod children;
mod cleaner;
mod delete;
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
mod users;

pub use error::OpenError;
pub use executor::ProcessExecutor;
pub use options::{ProcessOptions, RunnerCommand};
