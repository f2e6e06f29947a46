//! The OpenFeature standard: these flags for its clients, and its clients for routes.
//!
//! [`Provider`] answers OpenFeature clients by [`Flags`](crate::Flags). [`ClientRouter`] goes the other way: it chooses
//! executors by the flags of any OpenFeature client, so that those who keep their flags elsewhere may leave them there.

mod answers;
mod client_router;
mod context;
mod driver;
mod provider;

pub use client_router::{ClientRouter, ClientRule, Refresh};
pub use provider::Provider;
