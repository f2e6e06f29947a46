//! Webhooks of every provider: what is refused, what builds, and what does not.

#![expect(clippy::unwrap_used, reason = "this is a test")]

mod bitbucket;
mod bodies;
mod github;
mod gitlab;
mod keys;
mod properties;
mod request;
mod tenants;
mod verify;
