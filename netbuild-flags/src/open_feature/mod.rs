//! The OpenFeature standard: these flags for its clients, and its clients for routes.
