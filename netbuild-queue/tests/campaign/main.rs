//! Four publishers, one broker, one scheduler, and everything between them breaking: the connections by a fault proxy, the
//! server and the publishers' processes by `kill -9`. At the end every accepted event is admitted, once, in the order of its
//! publisher. With `NETBUILD_SOAK=1` the counts are large, otherwise a tenth of that.

#![expect(clippy::unwrap_used, reason = "this is a test")]
#![expect(clippy::disallowed_methods, reason = "processes and servers of their own live in real time")]

mod broker;
mod child;
mod consumer;
mod counts;
mod judge;
mod needs_nats;
mod needs_postgres;
mod needs_rabbitmq;
mod run;
mod sqlite;
