//! The two queues: what they are asked to be, and a broker's refusal when they are something else.

use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ErrorKind};

use super::options::AmqpOptions;

/// In place of "no bound", which brokers write in different ways. RabbitMQ 4 would set a bound of 20 where none is given.
const UNBOUNDED: i64 = i32::MAX as i64;

/// Makes both queues, or sees that they are what they must be. The dead letters' first, so that there is never a way out of
/// the other that leads nowhere.
pub(super) async fn declare(channel: &Channel, options: &AmqpOptions) -> lapin::Result<()> {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let dead = options.dead_queue();
    channel.queue_declare(dead.as_str().into(), durable, dead_arguments()).await?;
    channel.queue_declare(options.queue.as_str().into(), durable, arguments(options)).await?;
    Ok(())
}

/// A broker writes the name of a new queue to its disk only when nothing else was named for half a second, after it said that
/// the queue is made. Killed before that (seen with 3.10.8), it never starts the queue again, with all that it confirmed.
/// So nothing is given to a new queue before this time.
pub(super) const SETTLES: Duration = Duration::from_secs(2);

/// Whether both queues are there already. It takes the channel: the broker closes one that asks for what is not there.
pub(super) async fn exist(channel: Channel, options: &AmqpOptions) -> lapin::Result<bool> {
    for queue in [options.dead_queue(), options.queue.clone()] {
        match ready(&channel, &queue).await {
            Ok(_) => {}
            Err(error) if is_not_found(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn is_not_found(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)
}

/// How many messages a queue has ready for anybody.
pub(super) async fn ready(channel: &Channel, queue: &str) -> lapin::Result<u32> {
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    Ok(channel.queue_declare(queue.into(), look, FieldTable::default()).await?.message_count())
}

/// The broker's own bound on deliveries is a second wall behind ours: it meets messages whose consumers end before they
/// count. What is past it moves to the dead letters by the same confirmed way, and is never dropped: the strategy
/// `at-least-once`, which works with `reject-publish` alone.
fn arguments(options: &AmqpOptions) -> FieldTable {
    table([
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", number(options.max_deliveries.map_or(UNBOUNDED, i64::from).min(UNBOUNDED))),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(&options.dead_queue())),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ])
}

/// Looking at dead letters takes them and gives them back, which the broker counts: it must not have an end.
fn dead_arguments() -> FieldTable {
    table([("x-queue-type", text("quorum")), ("x-delivery-limit", number(UNBOUNDED))])
}

fn table<const N: usize>(arguments: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert(name.into(), value);
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn number(number: i64) -> AMQPValue {
    AMQPValue::LongLongInt(number)
}
