//! The example programs as their users run them, and as machines treat them. `scripts/test` builds the programs before.

#![expect(clippy::unwrap_used, reason = "this is a test")]
#![expect(clippy::disallowed_methods, reason = "processes of their own live in real time")]

mod canary;
mod flags;
mod frozen;
mod kill;
mod needs_postgres;
mod needs_root;
mod partition;
mod receiver;
mod run;
mod support;
