//! What threads share, by one name: the concurrency test builds these files over a model checker's types instead.

pub(super) use std::sync::atomic::AtomicU64;
pub(super) use std::sync::{Mutex, MutexGuard};
