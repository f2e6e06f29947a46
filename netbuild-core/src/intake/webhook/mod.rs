//! Webhooks: from a Git host's request to builds, or to the reason why there is nothing to build.

mod bitbucket;
mod body;
mod change;
mod decision;
mod github;
mod gitlab;
mod headers;
mod hook;
mod key;
mod label;
mod reason;
mod received;
mod refusal;
mod repository;
mod secrets;
mod settings;

pub use body::{BoundedBody, DEFAULT_BODY_BYTES};
pub use decision::{Decision, RefusedSource, Verdict};
pub use hook::{Hook, HookScope};
pub use key::rebuild_key;
pub use label::{Label, MAX_LABEL_BYTES};
pub use reason::Reason;
pub use received::Received;
pub use refusal::Refusal;
pub use repository::{GitHost, InvalidRepositoryId, Provider, RepositoryId};
pub use secrets::{InvalidSecrets, MAX_SECRETS, MIN_SECRET_BYTES, Secrets};
pub use settings::{Branches, Previews, ProjectSettings};
