//! Where messages come in: what is early waits for its turn, and what would wait beyond the bound goes back to the queue.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use super::calls::Answer;
use crate::engine::{Sequencer, SequencerConfig};
use crate::model::Place;
use crate::port::{Delivery, Message, Queue, Receipt};

/// How long messages that wait beyond the bound stay with the queue. Nothing is received for as long, or they would be
/// replaced by even later ones.
const GIVEN_BACK: Duration = Duration::from_secs(5);

/// Deliveries between the queue and the ledger. Its times are monotonic.
pub(super) struct Door {
    sequencer: Sequencer<Delivery>,
    shut_until: Option<Duration>,
}

impl Door {
    /// A door that goes on from the last admitted place of each publisher.
    pub(super) fn new(
        mut config: SequencerConfig,
        redelivery_after: Duration,
        places: impl IntoIterator<Item = Place>,
    ) -> Self {
        // A gap that the queue will fill by itself is worth waiting for.
        config.gap_wait = config.gap_wait.max(redelivery_after.saturating_mul(2));
        Door { sequencer: Sequencer::new(config, places), shut_until: None }
    }

    pub(super) fn take(&mut self, deliveries: Vec<Delivery>, now: Duration) {
        for delivery in deliveries {
            let place = delivery.message.place.clone();
            self.sequencer.offer(&place, delivery, now);
        }
    }

    /// The messages whose turn it is, in order, and their receipts.
    pub(super) fn ready(&mut self, now: Duration) -> (Vec<Receipt>, Vec<Message>) {
        self.sequencer.ready(now).into_iter().map(|delivery| (delivery.receipt, delivery.message)).unzip()
    }

    /// The receipts of what waits beyond the bound. If there are any, the door is shut for a while.
    pub(super) fn surplus(&mut self, now: Duration) -> Vec<Receipt> {
        let surplus: Vec<Receipt> = self.sequencer.surplus().into_iter().map(|delivery| delivery.receipt).collect();
        if !surplus.is_empty() {
            self.shut_until = Some(now + GIVEN_BACK);
        }
        surplus
    }

    pub(super) fn is_open(&mut self, now: Duration) -> bool {
        self.shut_until = self.shut_until.filter(|until| *until > now);
        self.shut_until.is_none()
    }

    /// When to look again if nothing else comes.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.sequencer.deadline().into_iter().chain(self.shut_until).min()
    }

    pub(super) fn held(&self) -> usize {
        self.sequencer.held()
    }

    pub(super) fn gaps(&self) -> u64 {
        self.sequencer.gaps()
    }
}

pub(super) async fn ack(queue: Arc<dyn Queue>, receipts: Vec<Receipt>, deadline: Duration) -> Answer {
    // An ack that is lost costs a duplicate, which the ledger absorbs.
    if let Ok(Err(error)) = tokio::time::timeout(deadline, queue.ack(&receipts)).await {
        tracing::warn!(error = &error as &dyn Error, "deliveries were not acked; they will come again");
    }
    Answer::Nothing
}

pub(super) async fn give_back(queue: Arc<dyn Queue>, receipts: Vec<Receipt>, deadline: Duration) -> Answer {
    // What is not given back comes again by itself, only later.
    if let Ok(Err(error)) = tokio::time::timeout(deadline, queue.nack(&receipts, GIVEN_BACK)).await {
        tracing::warn!(error = &error as &dyn Error, "deliveries were not given back; they will come again");
    }
    Answer::Nothing
}
