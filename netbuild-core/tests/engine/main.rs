//! The engine, step by step and by properties.

mod answers;
mod cancel;
mod deadlines;
mod desk;
mod history;
mod limits;
mod lists;
mod planted;
mod properties;
mod restore;
mod routing;
mod unknown;
mod world;
