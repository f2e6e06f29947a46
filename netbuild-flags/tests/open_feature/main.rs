//! The OpenFeature provider through the SDK's own client, and the router over clients of other providers.
#![cfg(feature = "open-feature")]
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod client_router;
mod provider;
