//! A TCP proxy on loopback that does to connections what networks do: cuts them, also in mid-frame, holds their bytes,
//! delays them, resets them.
//!
//! Behind the feature `fault-proxy`. Start a [`FaultProxy`] in front of a server, let the client connect to
//! [`FaultProxy::address`], and let a [`Fault`] happen; [`FaultProxy::heal`] ends it. A [`FaultPlan`] is a series of them
//! from a seed, and [`FaultProxy::play`] lets it happen.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use netbuild_core::testkit::fault_proxy::FaultProxy;
//! use tokio::io::AsyncReadExt;
//! use tokio::net::{TcpListener, TcpStream};
//!
//! let server = TcpListener::bind("127.0.0.1:0").await?;
//! let proxy = FaultProxy::start(server.local_addr()?).await?;
//! let mut client = TcpStream::connect(proxy.address()).await?;
//! let (_server_side, _) = server.accept().await?;
//!
//! proxy.cut().await;
//! assert_eq!(client.read(&mut [0]).await?, 0, "the end of the connection");
//! assert!(TcpStream::connect(proxy.address()).await.is_err(), "refused");
//! proxy.heal().await;
//! assert!(TcpStream::connect(proxy.address()).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # What becomes of the bytes
//! The proxy keeps no more than one piece of 16 KiB a direction of each connection. What it does not take stays in the
//! sockets' buffers, and when those are full the sender waits: a held connection loses nothing, and after
//! [`FaultProxy::heal`] all of it arrives, in order, even from a sender that closed meanwhile. A real partition that ends
//! before TCP gives up does the same. What was on its way when a connection is cut or reset is lost.

mod accept;
mod conditions;
mod connection;
mod fault;
mod plan;
mod proxy;
mod pump;

pub use fault::{Direction, Fault};
pub use plan::{FaultPlan, PlannedFault};
pub use proxy::{FaultProxy, ProxyCounts};
