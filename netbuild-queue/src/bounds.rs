//! What settings and arguments are taken as when they are beyond every use.

/// A time, at most 30 years: sums of times stay in range, here and in what servers count in.
#[cfg(any(feature = "amqp", feature = "nats", feature = "postgres"))]
pub(crate) fn bounded(time: std::time::Duration) -> std::time::Duration {
    time.min(std::time::Duration::from_secs(30 * 365 * 24 * 3600))
}

/// A bound on deliveries, at least 1: what is never handed out is no message.
#[cfg(any(feature = "nats", feature = "postgres", feature = "sqlite"))]
pub(crate) fn at_least_one(max_deliveries: Option<u32>) -> Option<u32> {
    max_deliveries.map(|most| most.max(1))
}
