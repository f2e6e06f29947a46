//! Opening a file: refuse what is not ours or not safe, set what the promises need, check, migrate.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use super::error::{SqliteError, explain_sql};
use super::file_system::network_file_system;
use super::options::SqliteOptions;
use super::schema::{self, Found, MIGRATIONS};

/// Settings of a connection, and what SQLite says when they took effect.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("journal_mode", "WAL", "wal"),
    // FULL: each commit is synced. NORMAL lost acknowledged commits in a power cut.
    ("synchronous", "FULL", "2"),
    // Where fsync stops at the disk's cache (macOS), ask the disk too.
    ("fullfsync", "ON", "1"),
    ("foreign_keys", "ON", "1"),
    ("trusted_schema", "OFF", "0"),
    // Damaged pages are found when they are read.
    ("cell_size_check", "ON", "1"),
    // After a burst the write-ahead log is cut back to this.
    ("journal_size_limit", "67108864", "67108864"),
];

/// Opens or makes the file and brings it to the latest schema.
pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<Connection, SqliteError> {
    let explain = |error| explain_sql(path.to_owned(), Arc::new(error), options);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(explain)?;
    connection.busy_timeout(options.busy_timeout.min(LONGEST_BUSY_TIMEOUT)).map_err(explain)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    match schema::look(&mut connection).map_err(explain)? {
        Found::Ours => {}
        Found::Other(found) => return Err(SqliteError::OtherApplication { path: path.to_owned(), found }),
        Found::Newer(found) => {
            return Err(SqliteError::NewerSchema { path: path.to_owned(), found, known: schema::latest() });
        }
    }
    set(&connection, path, options)?;
    quick_check(&connection, path).map_err(explain)??;
    let before = schema::migrate(&mut connection, MIGRATIONS).map_err(explain)?;
    if before < schema::latest() {
        tracing::info!(path = %path.display(), from = before, to = schema::latest(), "schema migrated");
    }
    Ok(connection)
}

/// What SQLite's busy handler can count, about 24 days.
const LONGEST_BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(i32::MAX as u64);
/// More than the stores have statements.
const STATEMENTS: usize = 100;

/// The absolute path of the file, which is made when it is not there: readable by this user only, because it holds the
/// name key. SQLite gives its other files the same mode.
pub(super) fn locate(path: &Path) -> Result<PathBuf, SqliteError> {
    let failed = |error: io::Error| SqliteError::Open { path: path.to_owned(), source: Arc::new(error) };
    let mut make = fs::OpenOptions::new();
    make.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut make, 0o600);
    make.open(path).map_err(failed)?;
    // Absolute, so that no name has a meaning of its own to SQLite, as `:memory:` has.
    let path = fs::canonicalize(path).map_err(failed)?;
    // Only Linux has this file; elsewhere the settings that are read back must do.
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match network_file_system(&mountinfo, &path) {
        Some(kind) => Err(SqliteError::NetworkFileSystem { file_system: kind.to_owned(), path }),
        None => Ok(path),
    }
}

fn set(connection: &Connection, path: &Path, options: &SqliteOptions) -> Result<(), SqliteError> {
    let explain = |error| explain_sql(path.to_owned(), Arc::new(error), options);
    for &(setting, value, wanted) in SETTINGS {
        // Some settings answer with a row and some do not; what counts is what is read back.
        connection.pragma(None, setting, value, |_| Ok(())).map_err(explain)?;
        let found = read(connection, setting).map_err(explain)?;
        if found != wanted {
            return Err(SqliteError::Setting { path: path.to_owned(), setting, wanted, found });
        }
    }
    let page_size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(explain)?;
    let pages = super::value::int(options.max_file_bytes) / page_size.max(1);
    connection.pragma(None, "max_page_count", pages.max(1), |_| Ok(())).map_err(explain)
}

fn read(connection: &Connection, setting: &str) -> rusqlite::Result<String> {
    let value = connection.pragma_query_value(None, setting, |row| row.get(0))?;
    Ok(match value {
        Value::Text(text) => text,
        Value::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

fn quick_check(connection: &Connection, path: &Path) -> rusqlite::Result<Result<(), SqliteError>> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    let damaged = || SqliteError::Damaged { path: path.to_owned(), found: found.clone() };
    Ok(if found == "ok" { Ok(()) } else { Err(damaged()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_settings_are_in_effect() {
        let folder = tempfile::tempdir().unwrap();
        let path = locate(&folder.path().join("a.db")).unwrap();
        let connection = open(&path, &SqliteOptions::default()).unwrap();
        for (setting, _, wanted) in SETTINGS {
            assert_eq!(read(&connection, setting).unwrap(), *wanted, "{setting}");
        }
    }

    #[test]
    fn a_setting_that_is_not_kept_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        let error = set(&connection, Path::new("/data/a.db"), &SqliteOptions::default()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/data/a.db: journal_mode is memory and must be wal"), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_user_reads_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = locate(&folder.path().join("a.db")).unwrap();
        let _connection = open(&path, &SqliteOptions::default()).unwrap();
        for file in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", file.file_name());
        }
    }
}
