//! What only root can set up. `scripts/test` skips this module by its name where there is no root.

mod disk;
mod user;
