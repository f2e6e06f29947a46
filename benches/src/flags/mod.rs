//! Evaluations of flags: what is asked ([`Question`], [`World`]), who answers ([`Contender`], [`base`], [`netbuild`]) and how
//! it is measured ([`compare`]).

mod base;
mod contender;
mod netbuild;
mod question;
mod world;

pub use base::base;
pub use contender::{Calls, Contender, compare};
pub use netbuild::netbuild;
pub use question::Question;
pub use world::World;
