//! The fault proxy between a client and a server, over real sockets.

mod faults;
mod plan;
mod world;
