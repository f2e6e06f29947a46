//! The visible deploys: a row for each project and context that has one, and a row for each deploy that was ever visible.

use netbuild_core::model::{
    AccountId, AttemptId, BuildId, BuildKey, BuildRecord, DeployContext, DeployInfo, LeaderEpoch, ProjectId, Rank,
    Timestamp,
};
use netbuild_core::port::{Activation, Deploy, LedgerError};
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::{Fault, Stop};
use super::handle::Transaction;
use super::{history_rows, lease_rows, ledger_rows};
use crate::value::{from_json, int, millis, time, to_json, uint};

type Answer<T> = Result<T, Stop<LedgerError>>;

/// What has one visible deploy: a context of a project, as its columns.
pub(super) struct Site {
    pub(super) account: AccountId,
    pub(super) project: ProjectId,
    pub(super) context: String,
}

impl Site {
    pub(super) fn new(account: &AccountId, project: &ProjectId, context: &DeployContext) -> Self {
        Site { account: account.clone(), project: project.clone(), context: to_json(context) }
    }

    fn of(record: &BuildRecord) -> Self {
        Site::new(&record.build.account, &record.build.project, &record.build.context)
    }
}

const HIGHEST: &str = "SELECT highest FROM ledger_site WHERE account = $1 AND project = $2 AND context = $3";

/// Makes a deploy the visible one unless a newer build's was before, and ends the build.
pub(super) async fn activate(
    transaction: &mut Transaction<'_>,
    epoch: LeaderEpoch,
    attempt: &AttemptId,
) -> Answer<Activation> {
    let (_, now) = lease_rows::fenced(transaction, epoch).await?;
    let mut record = ledger_rows::load(transaction, &attempt.build).await?;
    if let Some(done) = Activation::earlier(&record, attempt.number) {
        return Ok(done);
    }
    let site = Site::of(&record);
    let highest = transaction.query(HIGHEST, &[&site.account.as_str(), &site.project.as_str(), &site.context]).await?;
    let highest = highest.first().map(|row| Rank(uint(row.get(0))));
    let newer = highest.filter(|highest| *highest > record.rank);
    record.activated(attempt.number, newer, now).map_err(|illegal| Stop::Refused(illegal.into()))?;
    ledger_rows::save(transaction, [&record].into_iter()).await?;
    if newer.is_none()
        && let Some(info) = record.deploy()
    {
        show(transaction, &site, &record, info, now).await?;
    }
    Ok(newer.map_or(Activation::Visible, |by| Activation::Superseded { by }))
}

/// Makes an earlier or a superseded deploy the visible one.
pub(super) async fn reactivate(transaction: &mut Transaction<'_>, key: &BuildKey) -> Answer<()> {
    // The lock that activations take: of two acts the later one counts.
    let (_, now) = lease_rows::lock(transaction).await?;
    let values = [key.account.as_str(), key.project.as_str()];
    let found = transaction.query(history_rows::BUILD, &[key.build.as_uuid(), &values[0], &values[1]]).await?;
    let record = history_rows::records(&found)?.pop().ok_or(Stop::Refused(LedgerError::NoDeploy))?;
    let info = record.deploy().ok_or(Stop::Refused(LedgerError::NoDeploy))?;
    show(transaction, &Site::of(&record), &record, info, now).await?;
    Ok(())
}

/// All deploys of a site that were ever visible, newest rank first.
pub(super) const DEPLOYS: &str = "SELECT build_id, rank, info, activated_at, rank = current
    FROM ledger_deploy JOIN ledger_site USING (account, project, context)
    WHERE account = $1 AND project = $2 AND context = $3 ORDER BY rank DESC";

/// Reads a row of [`DEPLOYS`].
pub(super) fn deploy(row: &Row) -> Result<Deploy, Fault> {
    Ok(Deploy {
        build: BuildId::from(row.get::<_, Uuid>(0)),
        rank: Rank(uint(row.get(1))),
        info: from_json("ledger_deploy.info", row.get(2))?,
        activated_at: time(row.get(3)),
        current: row.get(4),
    })
}

const SHOW: &str = "INSERT INTO ledger_site VALUES ($1, $2, $3, $4, $4) ON CONFLICT (account, project, context)
    DO UPDATE SET highest = greatest(ledger_site.highest, excluded.highest), current = excluded.current";

const SHOWN: &str = "INSERT INTO ledger_deploy VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (account, project, context, rank) DO UPDATE SET activated_at = excluded.activated_at";

async fn show(
    transaction: &mut Transaction<'_>,
    site: &Site,
    record: &BuildRecord,
    info: &DeployInfo,
    now: Timestamp,
) -> Result<(), Fault> {
    let (account, project, rank) = (site.account.as_str(), site.project.as_str(), int(record.rank.0));
    let id = *record.build.id.as_uuid();
    transaction
        .query_two(
            (SHOW, &[&account, &project, &site.context, &rank]),
            (SHOWN, &[&account, &project, &site.context, &rank, &id, &to_json(info), &millis(now)]),
        )
        .await?;
    Ok(())
}
