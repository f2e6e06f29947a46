//! The async driver around the engine.
//!
//! A [`Scheduler`] takes the leader lease, restores the engine from the ledger, compares it with what the executors list,
//! and then moves builds: from the queue into the ledger and the engine, from the engine to the executors, from their
//! events and the gateway's reports back. It decides nothing; every decision is the engine's.
//!
//! ```text
//! queue --receive--> sequencer --admit--> ledger --ack
//!                                           |
//! executors --events, lists--> inputs --> engine --> persist: one commit for all --> act: bounded calls --> executors
//! gateway ---beats, reports---'                                                  '-> notify: observer
//! ```

mod calls;
mod clearing;
mod config;
mod door;
mod figures;
mod handle;
mod leader;
mod lease;
mod logs;
mod patience;
mod run;
mod sources;

pub use config::{PolicyFactory, SchedulerConfig, SchedulerPorts};
pub use handle::{CancelAnswer, Handle, Status};
pub use run::Scheduler;
