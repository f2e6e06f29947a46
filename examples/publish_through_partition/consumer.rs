//! The other side of the broker: it admits what comes, in the order of the outbox, once.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use netbuild_core::engine::{Sequencer, SequencerConfig};
use netbuild_core::memory::MemoryLedger;
use netbuild_core::model::{BuildId, HolderId, LeaderEpoch};
use netbuild_core::port::{Admission, Clock, Delivery, Lead, LeaderLease, Ledger, Message, Queue, Receipt};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::proof::Proof;

/// What a scheduler does with a queue, without its engine: receive, put in order, admit, ack.
pub(crate) struct Consumer {
    admitted: Arc<Mutex<Vec<BuildId>>>,
}

impl Consumer {
    pub(crate) async fn start(
        queue: Arc<dyn Queue>,
        clock: Arc<dyn Clock>,
        until: CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, Box<dyn Error>> {
        let ledger = MemoryLedger::new(1_000_000, clock.clone());
        let Lead::Held { epoch } = ledger.lead(&HolderId::new("consumer")?, Duration::from_secs(3_600)).await? else {
            return Err("a fresh ledger has another leader".into());
        };
        let admitted = Arc::new(Mutex::new(Vec::new()));
        let log = admitted.clone();
        let work = async move {
            let mut door = Sequencer::new(SequencerConfig::default(), []);
            loop {
                if let Ok(deliveries) = queue.receive(100, Duration::from_millis(200)).await {
                    for delivery in deliveries {
                        let place = delivery.message.place.clone();
                        door.offer(&place, delivery, clock.monotonic());
                    }
                }
                admit(&ledger, epoch, queue.as_ref(), door.ready(clock.monotonic()), &log).await;
            }
        };
        tasks.spawn(async move {
            until.run_until_cancelled(work).await;
        });
        Ok(Consumer { admitted })
    }

    pub(crate) fn admitted(&self) -> usize {
        self.admitted.lock().expect("nothing panics while it holds this lock").len()
    }

    /// Waits until so many are admitted, or too long.
    pub(crate) async fn until(&self, count: usize, patient: Duration) {
        let all = async {
            while self.admitted() < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // What is missing then is what the proof says.
        let _ = tokio::time::timeout(patient, all).await;
    }

    pub(crate) fn prove(&self, accepted: &[BuildId], kept_back: u64, drained: u64) -> Proof {
        let admitted = self.admitted.lock().expect("nothing panics while it holds this lock");
        Proof::of(accepted, &admitted, kept_back, drained)
    }
}

async fn admit(
    ledger: &MemoryLedger,
    epoch: LeaderEpoch,
    queue: &dyn Queue,
    ready: Vec<Delivery>,
    log: &Mutex<Vec<BuildId>>,
) {
    let (receipts, messages): (Vec<Receipt>, Vec<Message>) =
        ready.into_iter().map(|delivery| (delivery.receipt, delivery.message)).unzip();
    let Ok(admissions) = ledger.admit(epoch, &messages).await else { return };
    let fresh = messages.iter().zip(admissions).filter(|(_, admission)| *admission != Admission::Duplicate);
    let fresh = fresh.map(|(message, _)| message.build.id);
    log.lock().expect("nothing panics while it holds this lock").extend(fresh);
    // An ack that is lost costs a duplicate, which the ledger absorbs.
    let _ = queue.ack(&receipts).await;
}
