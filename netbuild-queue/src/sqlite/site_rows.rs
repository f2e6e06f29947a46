//! The visible deploys: a row for each project and context that has one, and a row for each deploy that was ever visible.

use netbuild_core::model::{
    AccountId, AttemptId, BuildKey, BuildRecord, DeployContext, DeployInfo, LeaderEpoch, ProjectId, Rank, Timestamp,
};
use netbuild_core::port::{Activation, Deploy, LedgerError};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Stop;
use super::value::{from_json, from_text, int, millis, time, to_json, uint};
use super::{history_rows, lease_rows, ledger_rows};

type Answer<T> = Result<T, Stop<LedgerError>>;

/// What has one visible deploy: a context of a project, as its columns.
pub(super) struct Site {
    account: AccountId,
    project: ProjectId,
    context: String,
}

impl Site {
    pub(super) fn new(account: &AccountId, project: &ProjectId, context: &DeployContext) -> Self {
        Site { account: account.clone(), project: project.clone(), context: to_json(context) }
    }

    fn of(record: &BuildRecord) -> Self {
        Site::new(&record.build.account, &record.build.project, &record.build.context)
    }
}

/// Makes a deploy the visible one unless a newer build's was before, and ends the build.
pub(super) fn activate(
    connection: &Connection,
    epoch: LeaderEpoch,
    attempt: &AttemptId,
    now: Timestamp,
) -> Answer<Activation> {
    lease_rows::fenced(connection, epoch)?;
    let mut record = ledger_rows::load(connection, &attempt.build)?;
    if let Some(done) = Activation::earlier(&record, attempt.number) {
        return Ok(done);
    }
    let site = Site::of(&record);
    let newer = highest(connection, &site)?.filter(|highest| *highest > record.rank);
    record.activated(attempt.number, newer, now).map_err(|illegal| Stop::Refused(illegal.into()))?;
    ledger_rows::save(connection, &record)?;
    if newer.is_none()
        && let Some(info) = record.deploy()
    {
        show(connection, &site, &record, info, now)?;
    }
    Ok(newer.map_or(Activation::Visible, |by| Activation::Superseded { by }))
}

/// Makes an earlier or a superseded deploy the visible one.
pub(super) fn reactivate(connection: &Connection, key: &BuildKey, now: Timestamp) -> Answer<()> {
    let record = history_rows::build(connection, key)?.ok_or(Stop::Refused(LedgerError::NoDeploy))?;
    let info = record.deploy().ok_or(Stop::Refused(LedgerError::NoDeploy))?;
    show(connection, &Site::of(&record), &record, info, now)
}

/// All deploys of a site that were ever visible, newest rank first.
pub(super) fn deploys(connection: &Connection, site: &Site) -> Answer<Vec<Deploy>> {
    let select = "SELECT build_id, rank, info, activated_at, rank = current
                  FROM ledger_deploy JOIN ledger_site USING (account, project, context)
                  WHERE account = ?1 AND project = ?2 AND context = ?3 ORDER BY rank DESC";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(params![site.account.as_str(), site.project.as_str(), site.context])?;
    let mut deploys = Vec::new();
    while let Some(row) = rows.next()? {
        deploys.push(Deploy {
            build: from_text("ledger_deploy.build_id", &row.get::<_, String>(0)?)?,
            rank: Rank(uint(row.get(1)?)),
            info: from_json("ledger_deploy.info", &row.get::<_, String>(2)?)?,
            activated_at: time(row.get(3)?),
            current: row.get(4)?,
        });
    }
    Ok(deploys)
}

fn highest(connection: &Connection, site: &Site) -> Answer<Option<Rank>> {
    let select = "SELECT highest FROM ledger_site WHERE account = ?1 AND project = ?2 AND context = ?3";
    let mut select = connection.prepare_cached(select)?;
    let site = params![site.account.as_str(), site.project.as_str(), site.context];
    let highest: Option<i64> = select.query_row(site, |row| row.get(0)).optional()?;
    Ok(highest.map(|rank| Rank(uint(rank))))
}

fn show(connection: &Connection, site: &Site, record: &BuildRecord, info: &DeployInfo, now: Timestamp) -> Answer<()> {
    let (account, project, rank) = (site.account.as_str(), site.project.as_str(), int(record.rank.0));
    let upsert = "INSERT INTO ledger_site VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (account, project, context)
                  DO UPDATE SET highest = max(highest, excluded.highest), current = excluded.current";
    connection.prepare_cached(upsert)?.execute(params![account, project, site.context, rank])?;
    let upsert = "INSERT INTO ledger_deploy VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                  ON CONFLICT (account, project, context, rank) DO UPDATE SET activated_at = excluded.activated_at";
    let id = record.build.id.to_string();
    let deploy = params![account, project, site.context, rank, id, to_json(info), millis(now)];
    connection.prepare_cached(upsert)?.execute(deploy)?;
    Ok(())
}
