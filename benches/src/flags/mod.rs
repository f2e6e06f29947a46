//! Evaluations of flags: what is asked ([`Question`], [`World`]), who answers ([`Contender`], [`base`], [`netbuild`]) and how
//! it is measured ([`compare`], [`swaps`]).

mod base;
mod contender;
mod netbuild;
mod question;
mod swaps;
mod world;

pub use base::base;
pub use contender::{Calls, Contender, compare};
pub use netbuild::netbuild;
pub use question::Question;
pub use swaps::swaps;
pub use world::World;
