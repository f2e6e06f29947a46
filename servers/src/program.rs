//! Where programs are, and as whom they run.

use std::ffi::OsStr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ServerError;

/// The user `nobody` of every Linux distribution, for servers that refuse to run as root.
const NOBODY: u32 = 65_534;

/// Finds a program in `PATH`, then in `folders`.
pub(crate) fn find(
    program: &'static str,
    package: &'static str,
    folders: impl IntoIterator<Item = PathBuf>,
) -> Result<PathBuf, ServerError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).chain(folders).map(|folder| folder.join(program)).find(|path| runs(path));
    found.ok_or(ServerError::Missing { program, package })
}

fn runs(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// A command that is killed when the thread that spawns it ends, and that runs as `nobody` when this process is root and
/// `unprivileged` is asked for.
pub(crate) fn command(program: impl AsRef<OsStr>, unprivileged: bool) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if unprivileged && is_root() {
        let nobody = NOBODY.to_string();
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    }
    command.arg("--").arg(program);
    command
}

/// Gives a folder to the user that [`command`] runs as when `unprivileged`.
pub(crate) fn hand_over(folder: &Path) -> Result<(), ServerError> {
    if !is_root() {
        return Ok(());
    }
    chown(folder, Some(NOBODY), Some(NOBODY)).map_err(ServerError::system(format!("give {} away", folder.display())))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
