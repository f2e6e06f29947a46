//! Conformance suites: the contract of each port as named cases, run by every implementation, netbuild's and yours.
//!
//! A suite gets a fresh [`Subject`] for each case, runs all cases and returns a [`Report`]:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use async_trait::async_trait;
//! use netbuild_core::memory::MemoryLogStore;
//! use netbuild_core::model::Timestamp;
//! use netbuild_core::port::LogStore;
//! use netbuild_core::testkit::conformance::{Subject, log_store};
//!
//! struct InMemory(Arc<MemoryLogStore>);
//!
//! #[async_trait]
//! impl Subject<dyn LogStore> for InMemory {
//!     fn store(&self) -> Arc<dyn LogStore> {
//!         self.0.clone()
//!     }
//!     fn limit(&self) -> Option<u64> {
//!         None
//!     }
//!     fn now(&self) -> Timestamp {
//!         Timestamp::EPOCH
//!     }
//!     async fn pass(&mut self, _time: Duration) {}
//!     async fn reopen(&mut self) -> bool {
//!         false
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let report = log_store::run(async || InMemory(Arc::new(MemoryLogStore::new(1 << 20)))).await;
//! report.assert_all_passed();
//! # }
//! ```
//!
//! What an implementation does not declare is skipped, and the skip is in the report with its reason.

pub mod executor;
pub mod ledger;
pub mod log_store;
pub mod outbox;
pub mod policy;
pub mod queue;
mod report;
mod suite;

pub use report::{Report, Verdict};
pub use suite::{Case, Stop, Subject};
