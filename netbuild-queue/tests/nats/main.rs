//! The NATS queue keeps the contract of its port, also through what happens to its servers and the way to them.

#![expect(clippy::unwrap_used, reason = "this is a test")]

mod needs_nats;
