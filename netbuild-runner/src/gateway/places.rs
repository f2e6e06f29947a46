//! The places of connections. Who has proved nothing yet can only take the place of others who have proved nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netbuild_core::model::AttemptId;
use tokio_util::sync::CancellationToken;

use super::GatewayLimits;
use super::refusal::Refusal;

/// All places of a gateway.
#[derive(Debug)]
pub(super) struct Places {
    limits: GatewayLimits,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// Connections on which no live attempt was heard yet, oldest first.
    strangers: BTreeMap<u64, Stranger>,
    /// Connections of live attempts.
    guests: BTreeSet<(AttemptId, u64)>,
}

#[derive(Debug)]
struct Stranger {
    peer: IpAddr,
    give_up: CancellationToken,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    places: Arc<Places>,
    /// Cancelled when somebody else needs the place: the connection ends at once.
    pub(super) give_up: CancellationToken,
    /// The attempts that were heard on it: a proxy may send those of several.
    attempts: Mutex<BTreeSet<AttemptId>>,
}

impl Places {
    pub(super) fn new(limits: GatewayLimits) -> Arc<Self> {
        Arc::new(Places { limits, taken: Mutex::default() })
    }

    /// A place for a connection from `peer`. Where there is none left for strangers, the oldest of them makes room: an
    /// honest runner says at once who it is, and is no stranger any more when that many have come after it.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Arc<Place> {
        let give_up = CancellationToken::new();
        let mut taken = self.taken();
        if let Some(limit) = self.limits.peer_strangers {
            taken.make_room(limit, |stranger| stranger.peer == peer);
        }
        taken.make_room(self.limits.strangers, |_| true);
        let number = taken.next;
        taken.next += 1;
        taken.strangers.insert(number, Stranger { peer, give_up: give_up.clone() });
        Arc::new(Place { number, places: Arc::clone(self), give_up, attempts: Mutex::default() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Ends the oldest of some strangers, so that one more makes `limit` at most.
    fn make_room(&mut self, limit: usize, of: impl Fn(&Stranger) -> bool) {
        let those: Vec<u64> =
            self.strangers.iter().filter(|(_, stranger)| of(stranger)).map(|(number, _)| *number).collect();
        let over = (those.len() + 1).saturating_sub(limit.max(1));
        for number in &those[..over] {
            if let Some(stranger) = self.strangers.remove(number) {
                stranger.give_up.cancel();
            }
        }
    }

    fn of(&self, attempt: &AttemptId) -> usize {
        self.guests.range((attempt.clone(), 0)..=(attempt.clone(), u64::MAX)).count()
    }
}

impl Place {
    /// A live attempt was heard here: the connection may stay.
    ///
    /// # Errors
    /// [`Refusal::Connections`] when the attempt has as many as it may, or all live attempts together.
    pub(super) fn admit(&self, attempt: &AttemptId) -> Result<(), Refusal> {
        let mut taken = self.places.taken();
        let guest = (attempt.clone(), self.number);
        if taken.guests.contains(&guest) {
            return Ok(());
        }
        let limits = &self.places.limits;
        if taken.of(attempt) >= limits.attempt_connections.max(1) || taken.guests.len() >= limits.connections.max(1) {
            return Err(Refusal::Connections);
        }
        taken.strangers.remove(&self.number);
        taken.guests.insert(guest);
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt.clone());
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let attempts = std::mem::take(self.attempts.get_mut().unwrap_or_else(PoisonError::into_inner));
        let mut taken = self.places.taken();
        taken.strangers.remove(&self.number);
        for attempt in attempts {
            taken.guests.remove(&(attempt, self.number));
        }
    }
}
