//! The engine, step by step and by properties.

mod answers;
mod cancel;
mod deadlines;
mod desk;
mod limits;
mod lists;
mod restore;
mod routing;
mod unknown;
