//! Many requests on one way: all are sent, in order, and then all answers are awaited.

use async_nats::{HeaderMap, Message, StatusCode, Subject};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::session::Session;

/// The most requests that are on their way before their answers are awaited; the client drops answers past 65,536.
const WINDOW: usize = 8_192;

/// A request.
pub(super) struct Ask {
    pub(super) subject: Subject,
    pub(super) headers: Option<HeaderMap>,
    pub(super) body: Bytes,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// An answer.
    Came(Message),
    /// It was sent, and nothing came.
    Missing,
    /// It was not sent, or nobody took it.
    NotTaken,
}

impl Session {
    /// Sends all requests, the next only after those before it, and awaits their answers until the deadline. The answers
    /// stand in the order of the requests. When some of a window of requests found no answer, the windows behind it are not
    /// sent.
    pub(super) async fn ask_all(&self, asks: Vec<Ask>, deadline: Instant) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(asks.len());
        let count = asks.len();
        let mut asks = asks.into_iter();
        while answers.len() < count {
            let window: Vec<Ask> = asks.by_ref().take(WINDOW).collect();
            answers.extend(self.ask_window(window, deadline).await);
            if !answers.iter().all(|answer| matches!(answer, Answer::Came(_))) {
                break;
            }
        }
        answers.resize_with(count, || Answer::NotTaken);
        answers
    }

    async fn ask_window(&self, asks: Vec<Ask>, deadline: Instant) -> Vec<Answer> {
        let mut answers: Vec<Answer> = std::iter::repeat_with(|| Answer::NotTaken).take(asks.len()).collect();
        let inbox = self.client.new_inbox();
        let subscribed = timeout_at(deadline, self.client.subscribe(format!("{inbox}.*"))).await;
        let Ok(Ok(mut replies)) = subscribed else { return answers };
        let mut sent = 0;
        for (index, Ask { subject, headers, body }) in asks.into_iter().enumerate() {
            let reply = format!("{inbox}.{index}");
            let sends = async {
                match headers {
                    Some(headers) => self.client.publish_with_reply_and_headers(subject, reply, headers, body).await,
                    None => self.client.publish_with_reply(subject, reply, body).await,
                }
            };
            if !matches!(timeout_at(deadline, sends).await, Ok(Ok(()))) {
                break;
            }
            answers[index] = Answer::Missing;
            sent += 1;
        }
        let mut came = 0;
        while came < sent {
            let Ok(Some(message)) = timeout_at(deadline, replies.next()).await else { break };
            let index = message.subject.rsplit_once('.').and_then(|(_, index)| index.parse::<usize>().ok());
            let Some(answer) = index.and_then(|index| answers.get_mut(index)) else { continue };
            if matches!(answer, Answer::Missing) {
                came += 1;
                let taken = message.status != Some(StatusCode::NO_RESPONDERS);
                *answer = if taken { Answer::Came(message) } else { Answer::NotTaken };
            }
        }
        answers
    }
}
