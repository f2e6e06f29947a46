//! The runner's program against real repositories, a real smart-HTTP Git server and the real gateway.

#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

mod needs_git;
