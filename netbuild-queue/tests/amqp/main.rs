//! The RabbitMQ queue keeps the contract of its port, also through what happens to the broker and the way to it.

#![expect(clippy::unwrap_used, reason = "this is a test")]

mod needs_rabbitmq;
