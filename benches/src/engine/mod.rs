//! The engine beside a plain fair queue: what is measured ([`EngineLife`]) and against what ([`PlainFair`]), the builds
//! ([`Builds`]), and how it is measured ([`CpuTime`], [`Spread`]).

mod builds;
mod cpu_time;
mod engine_life;
mod plain_fair;
mod spread;

pub use builds::Builds;
pub use cpu_time::CpuTime;
pub use engine_life::{EngineLife, LifeTimes};
pub use plain_fair::{PlainFair, PlainTimes};
pub use spread::Spread;
