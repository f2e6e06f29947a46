//! Which deploy of a site is the visible one.

use netbuild_core::model::{
    AccountId, AttemptId, BuildId, BuildKey, BuildRecord, BuildState, DeployContext, DeployInfo, Ending, ProjectId,
    Rank, Timestamp,
};
use netbuild_core::port::{Activation, Deploy, LedgerError};
use rusqlite::{Connection, OptionalExtension, params};

use super::build_rows;
use super::error::Failure;

type Result<T> = std::result::Result<T, Failure<LedgerError>>;

pub(super) fn activate(connection: &Connection, attempt: &AttemptId, now: Timestamp) -> Result<Activation> {
    let key = &attempt.build;
    let mut record = build_rows::build(connection, key)?.ok_or_else(|| build_rows::unknown(key))?;
    if let Some(done) = earlier_activation(&record, attempt) {
        return Ok(done);
    }
    let newer = highest(connection, &record)?.filter(|highest| *highest > record.rank);
    record.activated(attempt.number, newer, now).map_err(|illegal| Failure::Refused(illegal.into()))?;
    if let (None, Some(info)) = (newer, deploy_of(&record)) {
        show(connection, &record, info, now)?;
    }
    build_rows::save(connection, &record)?;
    Ok(newer.map_or(Activation::Visible, |by| Activation::Superseded { by }))
}

pub(super) fn reactivate(connection: &Connection, key: &BuildKey, now: Timestamp) -> Result<()> {
    let none = || Failure::Refused(LedgerError::NoDeploy);
    let record = build_rows::build(connection, key)?.ok_or_else(none)?;
    let info = deploy_of(&record).ok_or_else(none)?;
    show(connection, &record, info, now)
}

pub(super) fn deploys(
    connection: &Connection,
    account: &AccountId,
    project: &ProjectId,
    context: &DeployContext,
) -> Result<Vec<Deploy>> {
    let mut select = connection.prepare_cached(
        "SELECT rank, build_id, info, activated_at, rank = current_rank FROM deploys JOIN sites USING (site)
         WHERE account = ?1 AND project = ?2 AND context = ?3 ORDER BY rank DESC",
    )?;
    let mut rows = select.query(params![account.as_str(), project.as_str(), serde_json::to_string(context)?])?;
    let mut deploys = Vec::new();
    while let Some(row) = rows.next()? {
        let build: std::result::Result<BuildId, _> = row.get::<_, String>(1)?.parse();
        let build = build.map_err(|error| Failure::Corrupt(error.into()))?;
        let info = serde_json::from_str(&row.get::<_, String>(2)?)?;
        let activated_at = Timestamp::from_millis(row.get(3)?);
        deploys.push(Deploy { build, rank: Rank(row.get(0)?), info, activated_at, current: row.get(4)? });
    }
    Ok(deploys)
}

/// The highest rank that was ever activated for the record's site.
fn highest(connection: &Connection, record: &BuildRecord) -> Result<Option<Rank>> {
    let mut select = connection
        .prepare_cached("SELECT highest_rank FROM sites WHERE account = ?1 AND project = ?2 AND context = ?3")?;
    let build = &record.build;
    let site = params![build.account.as_str(), build.project.as_str(), serde_json::to_string(&build.context)?];
    Ok(select.query_row(site, |row| row.get(0).map(Rank)).optional()?)
}

/// Makes a record's deploy the visible one.
fn show(connection: &Connection, record: &BuildRecord, info: DeployInfo, now: Timestamp) -> Result<()> {
    let (build, rank) = (&record.build, record.rank.0);
    let mut point = connection.prepare_cached(
        "INSERT INTO sites (account, project, context, highest_rank, current_rank) VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT DO UPDATE SET highest_rank = max(highest_rank, ?4), current_rank = ?4 RETURNING site",
    )?;
    let context = serde_json::to_string(&build.context)?;
    let site: i64 =
        point.query_row(params![build.account.as_str(), build.project.as_str(), context, rank], |row| row.get(0))?;
    let mut keep = connection.prepare_cached(
        "INSERT INTO deploys VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET activated_at = ?5",
    )?;
    keep.execute(params![site, rank, build.id.to_string(), serde_json::to_string(&info)?, now.as_millis()])?;
    Ok(())
}

fn deploy_of(record: &BuildRecord) -> Option<DeployInfo> {
    match &record.state {
        BuildState::Ended { ending: Ending::Deployed { deploy } | Ending::Superseded { deploy, .. }, .. } => {
            Some(deploy.clone())
        }
        _ => None,
    }
}

/// The answer to an activation that was carried out before.
fn earlier_activation(record: &BuildRecord, attempt: &AttemptId) -> Option<Activation> {
    let is_last = record.attempts.last().is_some_and(|last| last.number == attempt.number);
    match &record.state {
        BuildState::Ended { ending: Ending::Deployed { .. }, .. } if is_last => Some(Activation::Visible),
        BuildState::Ended { ending: Ending::Superseded { by, .. }, .. } if is_last => {
            Some(Activation::Superseded { by: *by })
        }
        _ => None,
    }
}
