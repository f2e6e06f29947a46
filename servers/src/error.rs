//! Why a server does not run.

use std::io;
use std::path::PathBuf;

/// Why a server cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Its program is not installed.
    #[error("{program} is not installed: on Debian and Ubuntu as root: apt-get install {package}")]
    Missing {
        /// The program.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// It ended, or did not answer in time.
    #[error("{program} did not start: {reason}. The end of its log {log}:\n{tail}")]
    NotStarted {
        /// The program.
        program: &'static str,
        /// What was seen.
        reason: String,
        /// The file that it writes its log to.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The system refused something on the way.
    #[error("cannot {doing}")]
    System {
        /// What was tried.
        doing: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ServerError {
    /// For `map_err`: the system refused `doing`.
    pub(crate) fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| ServerError::System { doing, source }
    }
}
