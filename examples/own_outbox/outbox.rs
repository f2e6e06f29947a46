//! netbuild's outbox as a view of the host's table.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use netbuild_core::model::{
    AccountId, Build, BuildId, BuildSpec, DeployContext, Place, Priority, ProjectId, PublisherId, RepositoryUrl,
    Revision, Source, Timestamp, Trust,
};
use netbuild_core::port::{Backlog, Event, Message, Outbox, OutboxError, Recorded};
use netbuild_queue::postgres::tokio_postgres::Row;
use uuid::Uuid;

use crate::host::Connected;

/// The epoch of the table's numbers: it grows when the host ever starts them over.
const EPOCH: u64 = 1;

/// The outbox: no table of its own, and no copy of an event.
pub(crate) struct HostOutbox {
    connected: Connected,
    publisher: PublisherId,
}

impl fmt::Debug for HostOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostOutbox").field("publisher", &self.publisher).finish_non_exhaustive()
    }
}

impl HostOutbox {
    pub(crate) async fn open(address: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(HostOutbox { connected: Connected::to(address).await?, publisher: PublisherId::new("host-pushes")? })
    }

    /// The message of a row, the same each time it is read.
    fn message(&self, row: &Row) -> Result<Message, Box<dyn Error + Send + Sync>> {
        let pushed: std::time::SystemTime = row.get("pushed_at");
        let build = Build {
            id: BuildId::from(row.get::<_, Uuid>("id")),
            account: AccountId::new(row.get::<_, &str>("customer"))?,
            project: ProjectId::new("site")?,
            context: DeployContext::Production,
            source: Source {
                repository: RepositoryUrl::parse(row.get::<_, &str>("repository"))?,
                revision: Revision::parse(row.get::<_, &str>("branch"))?,
            },
            spec: BuildSpec::new("make"),
            priority: Priority::default(),
            trust: Trust::Trusted,
            created_at: Timestamp::EPOCH + pushed.duration_since(std::time::UNIX_EPOCH)?,
        };
        Ok(Message { place: self.place(row.get::<_, i64>("number").unsigned_abs()), build })
    }

    fn place(&self, seq: u64) -> Place {
        Place { publisher: self.publisher.clone(), epoch: EPOCH, seq }
    }
}

/// What is not published, by number. All below the first gap that a transaction under way could leave is committed: there
/// is no such gap, because the counter's row is locked until the commit.
const PENDING: &str = "SELECT number, id, customer, repository, branch, pushed_at FROM own_outbox.push
    WHERE number > greatest($1, (SELECT published FROM own_outbox.push_counter)) ORDER BY number LIMIT $2";

/// Never back, and never beyond what is recorded.
const PUBLISHED: &str = "UPDATE own_outbox.push_counter SET published = greatest(published, least(number, $1))";

const BACKLOG: &str = "SELECT number - published,
    (SELECT min(pushed_at) FROM own_outbox.push WHERE push.number > published) FROM own_outbox.push_counter";

fn unavailable(error: impl Into<Box<dyn Error + Send + Sync>>) -> OutboxError {
    OutboxError::Unavailable(error.into())
}

/// Numbers of a database are signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[async_trait]
impl Outbox for HostOutbox {
    fn publisher(&self) -> (&PublisherId, u64) {
        (&self.publisher, EPOCH)
    }

    /// This host records in transactions of its own, with whatever else belongs to an event; a publisher only reads.
    async fn record(&self, _batch: &[Event]) -> Result<Vec<Recorded>, OutboxError> {
        Err(unavailable("the host records its events itself"))
    }

    async fn pending(&self, after: u64, max: usize) -> Result<Vec<Message>, OutboxError> {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let rows = self.connected.client.query(PENDING, &[&signed(after), &max]).await.map_err(unavailable)?;
        rows.iter().map(|row| self.message(row)).collect::<Result<_, _>>().map_err(OutboxError::Corrupt)
    }

    async fn published(&self, seq: u64) -> Result<(), OutboxError> {
        // Whether it had its effect or not: what stays pending is published again and deduplicated.
        self.connected.client.execute(PUBLISHED, &[&signed(seq)]).await.map_err(unavailable)?;
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let row = self.connected.client.query_one(BACKLOG, &[]).await.map_err(unavailable)?;
        let oldest: Option<std::time::SystemTime> = row.get(1);
        let since_epoch = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let oldest = oldest.map(|time| Timestamp::EPOCH + since_epoch(time));
        Ok(Backlog { count: row.get::<_, i64>(0).unsigned_abs(), oldest })
    }
}
