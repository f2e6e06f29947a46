//! Reading builds.

use netbuild_core::model::{BuildKey, BuildRecord, Rank};
use netbuild_core::port::{BuildQuery, LedgerError};
use rusqlite::types::Value;
use rusqlite::{Connection, Params, params, params_from_iter};

use super::error::Stop;
use super::value::{count, from_json, int, millis};

type Answer<T> = Result<T, Stop<LedgerError>>;

/// One build by its full key.
pub(super) fn build(connection: &Connection, key: &BuildKey) -> Answer<Option<BuildRecord>> {
    let select = "SELECT record FROM ledger_build WHERE build_id = ?1 AND account = ?2 AND project = ?3";
    let key = params![key.build.to_string(), key.account.as_str(), key.project.as_str()];
    Ok(records(connection, select, key)?.pop())
}

/// Builds that are not ended.
pub(super) fn open_builds(connection: &Connection, after: Rank, max: usize) -> Answer<Vec<BuildRecord>> {
    let select = "SELECT record FROM ledger_build WHERE state <> 'ended' AND rank > ?1 ORDER BY rank LIMIT ?2";
    records(connection, select, [int(after.0), count(max)])
}

/// Builds that a query asks for.
pub(super) fn builds(connection: &Connection, query: &BuildQuery) -> Answer<Vec<BuildRecord>> {
    let (select, values) = select(query);
    records(connection, &select, params_from_iter(values))
}

/// The statement and its values. A part that is not asked for is left out, so that the indexes of the others serve.
fn select(query: &BuildQuery) -> (String, Vec<Value>) {
    let mut select =
        "SELECT record FROM ledger_build WHERE rank > ? AND admitted_at >= ? AND admitted_at < ?".to_owned();
    let mut values = vec![
        Value::Integer(int(query.after.0)),
        Value::Integer(millis(query.since)),
        Value::Integer(millis(query.until)),
    ];
    if let Some(account) = &query.account {
        select.push_str(" AND account = ?");
        values.push(Value::Text(account.as_str().to_owned()));
    }
    if let Some(executor) = &query.executor {
        select.push_str(" AND rank IN (SELECT rank FROM ledger_attempt WHERE executor = ?)");
        values.push(Value::Text(executor.as_str().to_owned()));
    }
    select.push_str(" ORDER BY rank LIMIT ?");
    values.push(Value::Integer(count(query.max)));
    (select, values)
}

fn records(connection: &Connection, select: &str, values: impl Params) -> Answer<Vec<BuildRecord>> {
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(values)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        records.push(from_json("ledger_build.record", text)?);
    }
    Ok(records)
}
