//! The outbox in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use crate::model::{AccountId, Build, BuildId, Place, PublisherId, Timestamp};
use crate::port::{Backlog, Clock, Event, EventKey, Message, Outbox, OutboxError, Recorded};

/// An outbox that keeps its events in memory: not durable.
///
/// It knows a repeated event as long as the first one is pending or among the newest [`REMEMBERED`](Self::REMEMBERED)
/// published ones.
#[derive(Debug)]
pub struct MemoryOutbox {
    publisher: PublisherId,
    epoch: u64,
    limit: u64,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl MemoryOutbox {
    /// How many published events it remembers, so that memory stays bounded.
    pub const REMEMBERED: usize = 100_000;

    /// An empty outbox of at most `limit` pending messages, which gives the places of `publisher` and `epoch`.
    pub fn new(publisher: PublisherId, epoch: u64, limit: u64, clock: Arc<dyn Clock>) -> Self {
        MemoryOutbox { publisher, epoch, limit, clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }

    fn place(&self, seq: u64) -> Place {
        Place { publisher: self.publisher.clone(), epoch: self.epoch, seq }
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    fn publisher(&self) -> (&PublisherId, u64) {
        (&self.publisher, self.epoch)
    }

    async fn record(&self, batch: &[Event]) -> Result<Vec<Recorded>, OutboxError> {
        let recorded = self.state().record(batch, self.limit, self.clock.now())?;
        let answer = |(seq, build, fresh)| Recorded { place: self.place(seq), build, fresh };
        Ok(recorded.into_iter().map(answer).collect())
    }

    async fn pending(&self, after: u64, max: usize) -> Result<Vec<Message>, OutboxError> {
        let state = self.state();
        let newer = state.pending.iter().filter(|entry| entry.seq > after).take(max);
        Ok(newer.map(|entry| Message { place: self.place(entry.seq), build: entry.build.clone() }).collect())
    }

    async fn published(&self, seq: u64) -> Result<(), OutboxError> {
        let mut state = self.state();
        while state.pending.front().is_some_and(|entry| entry.seq <= seq) {
            state.pending.pop_front();
        }
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let state = self.state();
        let oldest = state.pending.front().map(|entry| entry.recorded_at);
        Ok(Backlog { count: state.pending.len() as u64, oldest })
    }
}

/// A key is one tenant's: equal keys of two accounts are two events.
type TenantKey = (AccountId, EventKey);

#[derive(Debug, Default)]
struct State {
    last_seq: u64,
    pending: VecDeque<Entry>,
    known: BTreeMap<TenantKey, (u64, BuildId)>,
    builds: BTreeSet<BuildId>,
    remembered: VecDeque<(TenantKey, BuildId)>,
}

#[derive(Debug)]
struct Entry {
    seq: u64,
    build: Build,
    recorded_at: Timestamp,
}

impl State {
    /// Answers seq, build and freshness for each event; decides about the whole batch before it changes anything.
    fn record(
        &mut self,
        batch: &[Event],
        limit: u64,
        now: Timestamp,
    ) -> Result<Vec<(u64, BuildId, bool)>, OutboxError> {
        let mut fresh = BTreeMap::new();
        let mut builds = BTreeSet::new();
        let mut answers = Vec::with_capacity(batch.len());
        for event in batch {
            event.checked()?;
            let key = (event.build.account.clone(), event.key.clone());
            if let Some((seq, build)) = self.known.get(&key).or_else(|| fresh.get(&key)) {
                answers.push((*seq, *build, false));
                continue;
            }
            let id = event.build.id;
            if self.builds.contains(&id) || !builds.insert(id) {
                return Err(OutboxError::BuildIdTaken(id));
            }
            let seq = self.last_seq + 1 + fresh.len() as u64;
            fresh.insert(key, (seq, id));
            answers.push((seq, id, true));
        }
        if (self.pending.len() + fresh.len()) as u64 > limit {
            return Err(OutboxError::Full { limit });
        }
        for (event, (seq, id, _)) in batch.iter().zip(&answers).filter(|(_, (_, _, fresh))| *fresh) {
            self.pending.push_back(Entry { seq: *seq, build: event.build.clone(), recorded_at: now });
            self.remember((event.build.account.clone(), event.key.clone()), *seq, *id);
        }
        Ok(answers)
    }

    fn remember(&mut self, key: TenantKey, seq: u64, build: BuildId) {
        self.last_seq = seq;
        self.builds.insert(build);
        self.known.insert(key.clone(), (seq, build));
        self.remembered.push_back((key, build));
        if self.remembered.len() > self.pending.len() + MemoryOutbox::REMEMBERED
            && let Some((key, build)) = self.remembered.pop_front()
        {
            self.known.remove(&key);
            self.builds.remove(&build);
        }
    }
}
