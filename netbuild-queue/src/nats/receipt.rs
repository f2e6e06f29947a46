//! What the subject of an ack says: it names the delivery.

use std::time::Duration;

use async_nats::Subject;
use netbuild_core::port::Receipt;

/// One delivery of one message, as the server names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeliveryName {
    /// The message's number in the stream.
    pub(super) sequence: u64,
    /// How often it was handed out, this time included.
    pub(super) deliveries: u64,
    /// When it was published, since the Unix epoch. With the number it names the message, also when a stream of the same
    /// name was made anew.
    pub(super) published: Duration,
}

/// Reads `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<published>.<pending>`; servers with
/// domains put a domain and an account before the stream, and may put more behind.
pub(super) fn read(subject: &str) -> Option<DeliveryName> {
    let tokens: Vec<&str> = subject.strip_prefix("$JS.ACK.")?.split('.').collect();
    let after_consumer = match tokens.len() {
        7 => 2,
        9.. => 4,
        _ => return None,
    };
    let number = |index: usize| tokens[after_consumer + index].parse::<u64>().ok();
    Some(DeliveryName { deliveries: number(0)?, sequence: number(1)?, published: Duration::from_nanos(number(3)?) })
}

/// The delivery of a receipt that this kind of queue gave, and where to send its ack.
pub(super) fn parse(receipt: &Receipt) -> Option<(DeliveryName, Subject)> {
    Some((read(&receipt.0)?, Subject::from(receipt.0.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_subject_are_read_and_others_are_not() {
        let name =
            DeliveryName { sequence: 7, deliveries: 3, published: Duration::from_nanos(1_795_421_910_877_302_211) };
        assert_eq!(read("$JS.ACK.q.netbuild.3.7.9.1795421910877302211.2"), Some(name));
        assert_eq!(read("$JS.ACK.hub.Acc0Hash.q.netbuild.3.7.9.1795421910877302211.2"), Some(name));
        assert_eq!(read("$JS.ACK.hub.Acc0Hash.q.netbuild.3.7.9.1795421910877302211.2.rand0m"), Some(name));
        for other in ["", "orders", "$JS.ACK.", "$JS.ACK.q.c.x.7.9.1.2", "$JS.ACK.q.c.3.7.9.1", "$JS.API.q.c.3.7.9.1.2"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
