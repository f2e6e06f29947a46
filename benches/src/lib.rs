//! Benchmarks of netbuild beside its peers and the raw limit, each in one run.
//!
//! | command | what it measures |
//! |---|---|
//! | `cargo bench -p netbuild-benches --bench sqlite` | the SQLite queue beside raw rusqlite |
//! | `benches/peers/run` | the SQLite queue beside other crates' SQLite queues |

pub mod sqlite;
