//! A network that breaks when it is told to: a TCP proxy on the loopback between a client and its server.
//!
//! Behind the feature `fault-proxy`.
//!
//! ```
//! use std::time::Duration;
//!
//! use netbuild_core::testkit::fault_proxy::FaultProxy;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::{TcpListener, TcpStream};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = TcpListener::bind("127.0.0.1:0").await?;
//! let proxy = FaultProxy::start(server.local_addr()?).await?;
//! let mut client = TcpStream::connect(proxy.addr()).await?;
//! let (mut served, _) = server.accept().await?;
//!
//! client.write_all(b"hello").await?;
//! let mut bytes = [0; 5];
//! served.read_exact(&mut bytes).await?;
//!
//! proxy.cut();
//! assert!(matches!(client.read(&mut bytes).await, Ok(0) | Err(_)), "the connection is gone");
//! proxy.heal();
//! assert!(TcpStream::connect(proxy.addr()).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # Faults
//! | call | connections that are there | new ones |
//! |---|---|---|
//! | [`cut`](FaultProxy::cut) | end at once | are taken and end at once, until [`heal`](FaultProxy::heal) |
//! | [`reset`](FaultProxy::reset) | end at once, by a reset | pass |
//! | [`cut_after`](FaultProxy::cut_after) | the one that sends the last of so many bytes ends, by a reset | pass |
//! | [`black_hole`](FaultProxy::black_hole) | stay, and no byte passes in the given directions, until healed | as those |
//! | [`delay`](FaultProxy::delay) | each piece of data waits so long | as those |
//!
//! A black hole loses nothing of what it swallowed: as in a partition that ends, it arrives after the healing, unless an
//! end gave up before. What is held is bounded by a buffer of 16 KiB for each direction; past it the sender waits.

mod link;
mod plan;
mod proxy;
mod rules;

pub use plan::{Fault, FaultPlan, TimedFault};
pub use proxy::{FaultProxy, ProxyCounts};
pub use rules::Direction;
