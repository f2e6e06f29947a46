//! The OpenFeature provider through the SDK's own client, and the router over clients of other providers.
#![cfg(feature = "open-feature")]

mod client_router;
mod provider;
