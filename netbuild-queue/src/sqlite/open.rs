//! Opening a file: refuse what is not ours or not safe, set what the promises need, check, migrate.

use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::{SqliteError, explain_sql};
use super::file_system::network_file_system;
use super::options::{Durability, SqliteOptions};
use super::schema::{self, Found, MIGRATIONS};
use super::wal_tail::torn_bytes;

/// Settings of a connection, and what SQLite says when they took effect.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("journal_mode", "WAL", "wal"),
    // Where fsync stops at the disk's cache (macOS), ask the disk too.
    ("fullfsync", "ON", "1"),
    ("foreign_keys", "ON", "1"),
    ("trusted_schema", "OFF", "0"),
    // Damaged pages are found when they are read.
    ("cell_size_check", "ON", "1"),
    // After a burst the write-ahead log is cut back to this.
    ("journal_size_limit", "67108864", "67108864"),
];

/// The setting that makes a commit durable: FULL syncs the log at each, NORMAL only when it is copied to the file.
const fn synchronous(durability: Durability) -> (&'static str, &'static str, &'static str) {
    match durability {
        Durability::PowerCut => ("synchronous", "FULL", "2"),
        Durability::ProcessEnd => ("synchronous", "NORMAL", "1"),
    }
}

/// Opens or makes the file and brings it to the latest schema.
///
/// Nothing here opens the file but SQLite: on POSIX, closing any other descriptor of it would take away the locks that
/// stores of this process have on it.
pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<Opened, SqliteError> {
    let explain = |error| explain_sql(path.to_owned(), Arc::new(error), options);
    let is_new = !path.exists();
    let mut connection = Connection::open_with_flags(path, FLAGS).map_err(explain)?;
    if is_new {
        keep_private(path).map_err(|error| SqliteError::Open { path: path.to_owned(), source: Arc::new(error) })?;
    }
    connection.busy_timeout(options.busy_timeout.min(LONGEST_BUSY_TIMEOUT)).map_err(explain)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    match schema::look(&mut connection).map_err(explain)? {
        Found::Ours => {}
        Found::Other(found) => return Err(SqliteError::OtherApplication { path: path.to_owned(), found }),
        Found::Newer(found) => {
            return Err(SqliteError::NewerSchema { path: path.to_owned(), found, known: schema::latest() });
        }
    }
    let torn_bytes = torn_tail(&connection, path).map_err(explain)?;
    set(&connection, path, options)?;
    quick_check(&connection, path).map_err(explain)??;
    let before = schema::migrate(&mut connection, MIGRATIONS).map_err(explain)?;
    if before < schema::latest() {
        tracing::info!(path = %path.display(), from = before, to = schema::latest(), "schema migrated");
    }
    Ok(Opened { connection, torn_bytes })
}

/// An open file.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// What a crash had torn off its log.
    pub(super) torn_bytes: u64,
}

/// Looks for what a crash tore off, before anything is written over it, and tells it.
fn torn_tail(connection: &Connection, path: &Path) -> rusqlite::Result<u64> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // Under the write lock no commit of another process is under way, which would look the same.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let torn = torn_bytes(Path::new(&log));
    connection.execute_batch("ROLLBACK")?;
    match &torn {
        Ok(0) => {}
        Ok(bytes) => tracing::warn!(
            path = %path.display(),
            bytes,
            "a crash tore off a commit under way: dropped; nothing of it was ever answered with Ok"
        ),
        Err(error) => tracing::warn!(path = %path.display(), %error, "cannot see whether a crash tore off a commit"),
    }
    Ok(torn.unwrap_or(0))
}

const FLAGS: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE).union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
/// What SQLite's busy handler can count, about 24 days.
const LONGEST_BUSY_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);
/// More than the stores have statements.
const STATEMENTS: usize = 100;
/// How often processes that make the same file at the same time wait for each other.
const MEETINGS: usize = 100;

/// The absolute path of a file that is there or may be made, which must not be on a network file system.
pub(super) fn locate(path: &Path) -> Result<PathBuf, SqliteError> {
    let failed = |error: io::Error| SqliteError::Open { path: path.to_owned(), source: Arc::new(error) };
    // Absolute, so that no name has a meaning of its own to SQLite, as `:memory:` has.
    let path = path::absolute(path).map_err(failed)?;
    let folder = path.parent().unwrap_or(&path);
    let place = fs::canonicalize(&path).or_else(|_| fs::canonicalize(folder)).map_err(failed)?;
    // Only Linux has this file; elsewhere the settings that are read back must do.
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match network_file_system(&mountinfo, &place) {
        Some(kind) => Err(SqliteError::NetworkFileSystem { file_system: kind.to_owned(), path }),
        None => Ok(path),
    }
}

/// Lets only this user read the file, because it will hold the name key. SQLite gives its other files the same mode.
fn keep_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn set(connection: &Connection, path: &Path, options: &SqliteOptions) -> Result<(), SqliteError> {
    let explain = |error| explain_sql(path.to_owned(), Arc::new(error), options);
    for (setting, value, wanted) in SETTINGS.iter().copied().chain([synchronous(options.durability)]) {
        change(connection, setting, value).map_err(explain)?;
        let found = read(connection, setting).map_err(explain)?;
        if found != wanted {
            return Err(SqliteError::Setting { path: path.to_owned(), setting, wanted, found });
        }
    }
    let page_size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(explain)?;
    let pages = super::value::int(options.max_file_bytes) / page_size.max(1);
    connection.pragma(None, "max_page_count", pages.max(1), |_| Ok(())).map_err(explain)
}

fn change(connection: &Connection, setting: &str, value: &str) -> rusqlite::Result<()> {
    for _ in 0..MEETINGS {
        // Some settings answer with a row and some do not; what counts is what is read back.
        match connection.pragma(None, setting, value, |_| Ok(())) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
            done => return done,
        }
        // When two change the journal mode at once, SQLite answers busy without waiting. Asking for the write lock waits.
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
    }
    connection.pragma(None, setting, value, |_| Ok(()))
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
        for (durability, level) in [(Durability::PowerCut, "2"), (Durability::ProcessEnd, "1")] {
            let options = SqliteOptions { durability, ..SqliteOptions::default() };
            let connection = open(&path, &options).unwrap().connection;
            for (setting, _, wanted) in SETTINGS {
                assert_eq!(read(&connection, setting).unwrap(), *wanted, "{setting}");
            }
            assert_eq!(read(&connection, "synchronous").unwrap(), level, "{durability:?}");
        }
        assert_eq!(SqliteOptions::default().durability, Durability::PowerCut);
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
