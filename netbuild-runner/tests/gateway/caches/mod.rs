//! Caches over real HTTP on loopback, in a folder as the store.

mod bounds;
mod cached;
mod damage;
mod figures;
mod finding;
mod keeping;
