//! Which queued build starts next: the [`Policy`] port and the first policies.
//!
//! A policy is plain synchronous code that the engine asks; see [`Policy`] for the contract. [`Fifo`] starts the oldest
//! build; [`AccountLimit`] bounds what each account runs at once, around any policy.

mod account_limit;
mod fifo;
mod port;

pub use account_limit::{AccountLimit, AccountLimits};
pub use fifo::Fifo;
pub use port::{Policy, Queued};
