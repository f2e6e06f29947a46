//! Reading builds.

use netbuild_core::model::BuildRecord;
use netbuild_core::port::BuildQuery;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::Fault;
use crate::value::{count, from_json, int, millis};

/// One build by its full key.
pub(super) const BUILD: &str = "SELECT record FROM ledger_build WHERE build_id = $1 AND account = $2 AND project = $3";

/// Builds that are not ended.
pub(super) const OPEN: &str =
    "SELECT record FROM ledger_build WHERE state <> 'ended' AND rank > $1 ORDER BY rank LIMIT $2";

/// A statement for a query and its values. A part that is not asked for is left out, so that the indexes of the others serve.
pub(super) fn select(query: &BuildQuery) -> (String, Vec<Box<dyn ToSql + Sync + Send>>) {
    let mut select =
        "SELECT record FROM ledger_build WHERE rank > $1 AND admitted_at >= $2 AND admitted_at < $3".to_owned();
    let mut values: Vec<Box<dyn ToSql + Sync + Send>> =
        vec![Box::new(int(query.after.0)), Box::new(millis(query.since)), Box::new(millis(query.until))];
    if let Some(account) = &query.account {
        values.push(Box::new(account.as_str().to_owned()));
        select.push_str(&format!(" AND account = ${}", values.len()));
    }
    if let Some(executor) = &query.executor {
        values.push(Box::new(executor.as_str().to_owned()));
        select.push_str(&format!(" AND rank IN (SELECT rank FROM ledger_attempt WHERE executor = ${})", values.len()));
    }
    values.push(Box::new(count(query.max)));
    select.push_str(&format!(" ORDER BY rank LIMIT ${}", values.len()));
    (select, values)
}

/// Reads rows of records.
pub(super) fn records(rows: &[Row]) -> Result<Vec<BuildRecord>, Fault> {
    rows.iter().map(|row| Ok(from_json("ledger_build.record", row.get(0))?)).collect()
}
