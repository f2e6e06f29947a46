//! Publishing with confirms: a whole batch on its way at once, and each message's answer awaited.

use std::future::poll_fn;
use std::task::Poll;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation};

/// What came of a batch that was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Messages that came back: there is no such queue. The broker confirms them all the same.
    pub(super) returned: usize,
    /// Messages that the broker did not take responsibility for.
    pub(super) refused: usize,
}

/// Publishes letters to a queue, in order, and awaits all answers.
pub(super) async fn publish(
    channel: &Channel,
    queue: &str,
    letters: &[(&[u8], BasicProperties)],
) -> lapin::Result<Answers> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let mut sending = Vec::with_capacity(letters.len());
    for (body, properties) in letters {
        let mut send = Box::pin(channel.basic_publish("".into(), queue.into(), options, body, properties.clone()));
        // A message takes its place in the order when its sending is polled first. None waits for the one before it to be
        // written out.
        let sent = poll_fn(|context| match send.as_mut().poll(context) {
            Poll::Ready(sent) => Poll::Ready(Some(sent)),
            Poll::Pending => Poll::Ready(None),
        });
        match sent.await {
            Some(confirm) => sending.push(Err(confirm?)),
            None => sending.push(Ok(send)),
        }
    }
    let mut answers = Answers::default();
    for send in sending {
        let confirm = match send {
            Ok(send) => send.await?,
            Err(confirm) => confirm,
        };
        match confirm.await? {
            Confirmation::Ack(None) => {}
            Confirmation::Ack(Some(_)) => answers.returned += 1,
            Confirmation::Nack(_) | Confirmation::NotRequested => answers.refused += 1,
        }
    }
    Ok(answers)
}
