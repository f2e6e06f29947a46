//! The rows of the outbox: functions of a transaction, a time and their arguments.

use netbuild_core::model::{Build, BuildId, Place, PublisherId, Timestamp};
use netbuild_core::port::{Backlog, Event, Message, OutboxError, Recorded};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Stop;
use super::options::SqliteOptions;
use super::queue_rows;
use super::value::{count, from_json, from_text, int, millis, time, uint};

type Answer<T> = Result<T, Stop<OutboxError>>;

/// How many pending events a [`Rows::record_and_publish`] takes along at most, beyond the size of its batch.
const TAKEN_ALONG: usize = 1_000;
/// How many old keys a call looks at to forget them, beyond twice the number of events it published.
const FORGOTTEN: u64 = 100;

/// The epoch of a publisher, made of the time when there is none.
pub(super) fn epoch(connection: &Connection, publisher: &PublisherId, now: Timestamp) -> Answer<u64> {
    let insert = "INSERT OR IGNORE INTO outbox_publisher VALUES (?1, max(?2, 1), 0, 0)";
    connection.prepare_cached(insert)?.execute(params![publisher.as_str(), millis(now)])?;
    let select = "SELECT epoch FROM outbox_publisher WHERE publisher = ?1";
    let epoch = connection.prepare_cached(select)?.query_row([publisher.as_str()], |row| row.get(0))?;
    Ok(uint(epoch))
}

/// The rows of one publisher.
pub(super) struct Rows {
    pub(super) publisher: PublisherId,
    pub(super) epoch: u64,
    pub(super) options: SqliteOptions,
}

/// How far a publisher came.
struct Seqs {
    last: u64,
    published: u64,
}

impl Rows {
    /// Records a batch. An error leaves rows behind, which the caller takes back.
    pub(super) fn record(&self, connection: &Connection, batch: &[Event], now: Timestamp) -> Answer<Vec<Recorded>> {
        let before = self.seqs(connection)?;
        let mut last = before.last;
        let mut answers = Vec::with_capacity(batch.len());
        for event in batch {
            let build = event.checked().map_err(Stop::Refused)?;
            if let Some(first) = known(connection, event)? {
                answers.push(first);
                continue;
            }
            let seq = last + 1;
            if !self.insert(connection, seq, event, build, now)? {
                return Err(Stop::Refused(OutboxError::BuildIdTaken(event.build.id)));
            }
            last = seq;
            answers.push(Recorded { place: self.place(seq), build: event.build.id, fresh: true });
        }
        let limit = self.options.outbox_limit;
        if last > before.last && last - before.published > limit {
            return Err(Stop::Refused(OutboxError::Full { limit }));
        }
        let update = "UPDATE outbox_publisher SET last_seq = ?2 WHERE publisher = ?1";
        connection.prepare_cached(update)?.execute(params![self.publisher.as_str(), int(last)])?;
        Ok(answers)
    }

    /// Whether it is new; `false` when its build id was recorded before.
    fn insert(&self, connection: &Connection, seq: u64, event: &Event, build: String, now: Timestamp) -> Answer<bool> {
        let insert = "INSERT INTO outbox_event (publisher, seq, account, event_key, build_id, recorded_at, build)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (build_id) DO NOTHING";
        let inserted = connection.prepare_cached(insert)?.execute(params![
            self.publisher.as_str(),
            int(seq),
            event.build.account.as_str(),
            event.key.0,
            event.build.id.to_string(),
            millis(now),
            build,
        ])?;
        Ok(inserted == 1)
    }

    /// Pending messages with a seq above `after`, oldest first.
    pub(super) fn pending(&self, connection: &Connection, after: u64, max: usize) -> Answer<Vec<Message>> {
        let from = after.max(self.seqs(connection)?.published);
        let select = "SELECT seq, build FROM outbox_event WHERE publisher = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        let mut select = connection.prepare_cached(select)?;
        let mut rows = select.query(params![self.publisher.as_str(), int(from), count(max)])?;
        let mut messages = Vec::new();
        while let Some(row) = rows.next()? {
            let build: Build =
                from_json("outbox_event.build", row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
            messages.push(Message { place: self.place(uint(row.get(0)?)), build });
        }
        Ok(messages)
    }

    /// Marks everything up to `seq`, frees the builds and forgets some keys that are old enough.
    pub(super) fn published(&self, connection: &Connection, seq: u64, now: Timestamp) -> Answer<()> {
        let Seqs { last, published } = self.seqs(connection)?;
        // Never above what is recorded: an event recorded later is pending, whatever was marked before.
        let seq = seq.min(last).max(published);
        let mark = "UPDATE outbox_publisher SET published_seq = ?2 WHERE publisher = ?1";
        connection.prepare_cached(mark)?.execute(params![self.publisher.as_str(), int(seq)])?;
        let free = "UPDATE outbox_event SET build = NULL WHERE publisher = ?1 AND seq > ?2 AND seq <= ?3";
        connection.prepare_cached(free)?.execute(params![self.publisher.as_str(), int(published), int(seq)])?;
        self.forget(connection, seq, FORGOTTEN + 2 * (seq - published), now)
    }

    /// Looks at the oldest `steps` published events and forgets those that are too old.
    fn forget(&self, connection: &Connection, published: u64, steps: u64, now: Timestamp) -> Answer<()> {
        let delete = "DELETE FROM outbox_event WHERE publisher = ?1 AND recorded_at < ?4 AND seq IN
                      (SELECT seq FROM outbox_event WHERE publisher = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)";
        let oldest = now - self.options.event_key_age;
        let publisher = self.publisher.as_str();
        connection.prepare_cached(delete)?.execute(params![publisher, int(published), int(steps), millis(oldest)])?;
        Ok(())
    }

    pub(super) fn backlog(&self, connection: &Connection) -> Answer<Backlog> {
        let Seqs { last, published } = self.seqs(connection)?;
        let select = "SELECT recorded_at FROM outbox_event WHERE publisher = ?1 AND seq > ?2 ORDER BY seq LIMIT 1";
        let mut select = connection.prepare_cached(select)?;
        let oldest = select.query_row(params![self.publisher.as_str(), int(published)], |row| row.get(0)).optional()?;
        Ok(Backlog { count: last - published, oldest: oldest.map(time) })
    }

    /// Records a batch and moves what is pending to the queue of the same file, as far as that has room.
    pub(super) fn record_and_publish(
        &self,
        connection: &Connection,
        batch: &[Event],
        now: Timestamp,
    ) -> Answer<Vec<Recorded>> {
        let recorded = self.record(connection, batch, now)?;
        let room = queue_rows::room(connection, self.options.queue_limit)?;
        let max = usize::try_from(room).unwrap_or(usize::MAX).min(TAKEN_ALONG.saturating_add(batch.len()));
        let messages = self.pending(connection, 0, max)?;
        if let Some(last) = messages.last() {
            let rows: Vec<_> = messages.iter().map(queue_rows::Row::from).collect();
            queue_rows::insert(connection, &rows, self.options.dedupe_window, now)?;
            self.published(connection, last.place.seq, now)?;
        }
        Ok(recorded)
    }

    fn seqs(&self, connection: &Connection) -> Answer<Seqs> {
        let select = "SELECT last_seq, published_seq FROM outbox_publisher WHERE publisher = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok(Seqs { last: uint(row.get(0)?), published: uint(row.get(1)?) });
        Ok(connection.prepare_cached(select)?.query_row([self.publisher.as_str()], read)?)
    }

    fn place(&self, seq: u64) -> Place {
        Place { publisher: self.publisher.clone(), epoch: self.epoch, seq }
    }
}

/// The answer for an event that was recorded before, by any publisher of the file.
fn known(connection: &Connection, event: &Event) -> Answer<Option<Recorded>> {
    let select = "SELECT publisher, epoch, seq, build_id FROM outbox_event JOIN outbox_publisher USING (publisher)
                  WHERE account = ?1 AND event_key = ?2";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(params![event.build.account.as_str(), event.key.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let publisher: PublisherId = from_text("outbox_event.publisher", &row.get::<_, String>(0)?)?;
    let build: BuildId = from_text("outbox_event.build_id", &row.get::<_, String>(3)?)?;
    let place = Place { publisher, epoch: uint(row.get(1)?), seq: uint(row.get(2)?) };
    Ok(Some(Recorded { place, build, fresh: false }))
}
