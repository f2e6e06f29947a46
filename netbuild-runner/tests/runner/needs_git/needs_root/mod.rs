//! These tests need root, and disks of their own. `scripts/test` skips this module by its name elsewhere.

mod disks;
mod users;
