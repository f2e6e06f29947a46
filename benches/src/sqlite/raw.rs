//! The least that is a queue with redelivery: a table, and three prepared statements.

use std::path::Path;
use std::time::Duration;

use netbuild_core::port::{Clock, SystemClock};
use rusqlite::{Connection, params};

const TABLE: &str = "
CREATE TABLE queue (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    visible_at INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT";

/// A queue of bytes in a SQLite file, on the caller's thread.
#[derive(Debug)]
pub struct Raw {
    connection: Connection,
    clock: SystemClock,
}

impl Raw {
    /// An empty queue in a new file.
    ///
    /// # Panics
    /// When the file cannot be made.
    pub fn new(file: &Path) -> Self {
        let open = || {
            let connection = Connection::open(file)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(TABLE)?;
            Ok::<_, rusqlite::Error>(connection)
        };
        Raw { connection: open().expect("a new file can be made"), clock: SystemClock::new() }
    }

    /// Stores messages in one commit, and answers how long that took.
    ///
    /// # Panics
    /// When SQLite fails.
    pub fn publish(&self, batch: &[Vec<u8>]) -> Duration {
        self.timed(|connection| {
            let mut insert = connection.prepare_cached("INSERT INTO queue (visible_at, body) VALUES (0, ?1)")?;
            batch.iter().try_for_each(|body| insert.execute([body]).map(drop))
        })
    }

    /// Takes out `count` messages, receive and ack in a commit each, and answers how long that took.
    ///
    /// # Panics
    /// When SQLite fails, or there are fewer.
    pub fn consume(&self, count: usize) -> Duration {
        let mut taken: Vec<(i64, Vec<u8>)> = Vec::with_capacity(count);
        let receive = self.timed(|connection| {
            let update = "UPDATE queue SET visible_at = ?1 WHERE id IN
                          (SELECT id FROM queue WHERE visible_at <= ?2 ORDER BY id LIMIT ?3) RETURNING id, body";
            let mut update = connection.prepare_cached(update)?;
            let rows = params![i64::MAX, 1, i64::try_from(count).unwrap_or(i64::MAX)];
            for row in update.query_map(rows, |row| Ok((row.get(0)?, row.get(1)?)))? {
                taken.push(row?);
            }
            Ok(())
        });
        assert_eq!(taken.len(), count);
        let ack = self.timed(|connection| {
            let mut delete = connection.prepare_cached("DELETE FROM queue WHERE id = ?1")?;
            taken.iter().try_for_each(|(id, _)| delete.execute([id]).map(drop))
        });
        receive + ack
    }

    fn timed(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Duration {
        let start = self.clock.monotonic();
        let transaction = || {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            work(&self.connection)?;
            self.connection.execute_batch("COMMIT")
        };
        transaction().expect("SQLite works");
        self.clock.monotonic() - start
    }
}
