//! What feeds the leader's owner task: the queue and the executors' event streams.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};

use crate::model::ExecutorName;
use crate::port::{Delivery, Executor, ExecutorEvent, Queue};

/// What comes from outside without being asked for.
#[derive(Debug)]
pub(super) enum News {
    Deliveries(Vec<Delivery>),
    Event(ExecutorName, ExecutorEvent),
}

/// The wait after a failure of a source; nothing is lost meanwhile.
const PAUSE: Duration = Duration::from_millis(500);

/// How long one receive waits for the first message.
const RECEIVE_WAIT: Duration = Duration::from_secs(1);

/// Receives from the queue while `open` says that there is room. Ends when nobody listens.
pub(super) async fn receive(
    queue: Arc<dyn Queue>,
    max: usize,
    deadline: Duration,
    mut open: watch::Receiver<bool>,
    news: mpsc::Sender<News>,
) {
    loop {
        if open.wait_for(|open| *open).await.is_err() {
            return;
        }
        match tokio::time::timeout(deadline + RECEIVE_WAIT, queue.receive(max, RECEIVE_WAIT)).await {
            Ok(Ok(deliveries)) if deliveries.is_empty() => {}
            Ok(Ok(deliveries)) => {
                if news.send(News::Deliveries(deliveries)).await.is_err() {
                    return;
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the queue gives nothing for now");
                tokio::time::sleep(PAUSE).await;
            }
            Err(_) => tracing::warn!("the queue did not answer; asking again"),
        }
    }
}

/// Forwards an executor's events, opening its stream again whenever it ends. Ends when nobody listens.
pub(super) async fn events(
    name: ExecutorName,
    executor: Arc<dyn Executor>,
    deadline: Duration,
    news: mpsc::Sender<News>,
) {
    loop {
        match tokio::time::timeout(deadline, executor.events()).await {
            Ok(Ok(mut stream)) => {
                while let Some(event) = stream.next().await {
                    if news.send(News::Event(name.clone(), event)).await.is_err() {
                        return;
                    }
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(executor = %name, error = &error as &dyn std::error::Error, "no events for now");
            }
            Err(_) => tracing::warn!(executor = %name, "the executor did not answer; asking again"),
        }
        if news.is_closed() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
