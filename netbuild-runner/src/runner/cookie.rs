//! The cookie that marks all processes of an attempt.

use netbuild_core::model::{AttemptFolder, AttemptId};

/// The cookie that the executor gave the runner. A runner that was started without one makes one that is as unique.
pub(super) fn of(attempt: &AttemptId) -> String {
    std::env::var(AttemptFolder::COOKIE).unwrap_or_else(|_| format!("{}.{}", attempt.build.build, attempt.number))
}
