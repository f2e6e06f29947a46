//! Why a directory tells nothing.

use std::error::Error;

use netbuild_core::model::AccountId;

/// Why a directory tells nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// It did not answer: it is out of reach, or its tables are not as the queries have them.
    #[error("the directory did not answer: {0}; see that it is up and that its queries run there")]
    Unanswered(#[source] Box<dyn Error + Send + Sync>),
    /// A row is not what [`DirectoryQueries`](super::DirectoryQueries) asks for.
    #[error("the directory has an account or project {row:?} that cannot be read: {problem}")]
    Unreadable {
        /// The account, with the project after a slash, as far as it could be read.
        row: String,
        /// What is wrong.
        #[source]
        problem: Box<dyn Error + Send + Sync>,
    },
    /// It told the account again after which it was asked for more: it would never end.
    #[error("the directory came back to account {0}: its order must be the same for every page")]
    Repeated(AccountId),
}
