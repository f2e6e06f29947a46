//! Taking deliveries from the server.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::{Message, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt;
use netbuild_core::port::Receipt;
use tokio::time::{Instant, timeout_at};

use super::error::NatsError;
use super::receipt::{self, DeliveryName};
use super::session::{Session, failed};

/// The most deliveries of one request: the client keeps so many before it drops some.
const MOST: usize = 8_192;

/// A delivery as it came.
pub(super) struct Arrival {
    pub(super) name: DeliveryName,
    pub(super) receipt: Receipt,
    pub(super) body: Bytes,
}

impl Session {
    /// Waits at most `wait` for a first delivery, and takes with it what else is there, up to `max`. Nothing came: there was
    /// nothing. What came before something went wrong is no error; `patience` is how long after `wait` that is.
    pub(super) async fn fetch(
        &self,
        max: usize,
        wait: Duration,
        patience: Duration,
    ) -> Result<Vec<Arrival>, NatsError> {
        let max = max.min(MOST);
        let late = || NatsError::Deadline { server: self.server.clone(), after: wait + patience };
        let deadline = Instant::now() + wait + patience;
        let inbox = self.client.new_inbox();
        let subscribed = timeout_at(deadline, self.client.subscribe(inbox.clone())).await.map_err(|_| late())?;
        let mut deliveries = subscribed.map_err(|error| failed(&self.server, "take a subscription", &error))?;
        // Both together mean: wait for the first, and then for no more.
        let expires = (!wait.is_zero()).then_some(wait);
        let request = BatchConfig { batch: max, no_wait: true, expires, ..BatchConfig::default() };
        let requested = timeout_at(deadline, self.consumer.request_batch(request, inbox.into())).await;
        requested.map_err(|_| late())?.map_err(|error| failed(&self.server, "hand out messages", &error))?;
        let mut arrivals = Vec::new();
        while arrivals.len() < max {
            let error = match timeout_at(deadline, deliveries.next()).await {
                Ok(Some(message)) => match message.status {
                    None => {
                        arrivals.extend(arrival(message));
                        continue;
                    }
                    Some(StatusCode::IDLE_HEARTBEAT) => continue,
                    Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => break,
                    Some(status) => {
                        let said = message.description.unwrap_or_else(|| status.to_string());
                        NatsError::Failed { server: self.server.clone(), doing: "hand out messages", said }
                    }
                },
                Ok(None) => NatsError::Lost { server: self.server.clone() },
                Err(_) => late(),
            };
            self.doubt();
            return if arrivals.is_empty() { Err(error) } else { Ok(arrivals) };
        }
        Ok(arrivals)
    }
}

fn arrival(message: Message) -> Option<Arrival> {
    let receipt = Receipt(message.reply?.to_string());
    Some(Arrival { name: receipt::read(&receipt.0)?, receipt, body: message.payload })
}
