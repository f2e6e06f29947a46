//! The port that chooses an executor.

use std::fmt::Debug;

use crate::model::{Build, ExecutorName, Route};

/// Chooses an executor for a build.
///
/// # Contract
/// - Synchronous, without I/O, over an immutable snapshot: the same build and version give the same route.
/// - `version` changes whenever an answer could; the engine routes queued builds again when it does.
/// - `avoid` holds executors where the build failed in a way that another executor may not; it is honoured where there
///   is a choice.
pub trait Router: Debug + Send + Sync + 'static {
    /// The version of the snapshot that answers now.
    fn version(&self) -> u64;

    /// The executor for a build, and why.
    fn route(&self, build: &Build, avoid: &[ExecutorName]) -> Route;
}

/// Sends every build to one executor.
#[derive(Clone, Debug)]
pub struct FixedRouter {
    executor: ExecutorName,
}

impl FixedRouter {
    /// A router to `executor`.
    pub fn new(executor: ExecutorName) -> Self {
        FixedRouter { executor }
    }
}

impl Router for FixedRouter {
    fn version(&self) -> u64 {
        0
    }

    fn route(&self, _build: &Build, _avoid: &[ExecutorName]) -> Route {
        Route::fixed(self.executor.clone())
    }
}
