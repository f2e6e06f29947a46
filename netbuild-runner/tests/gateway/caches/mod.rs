//! Caches over real HTTP on loopback, in a folder as the store.

mod cached;
mod finding;
