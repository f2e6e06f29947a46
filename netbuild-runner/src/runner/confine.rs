//! What the runner gives up for itself and for all that it starts, before it has a second thread.

use std::fs;
use std::io;
use std::os::fd::RawFd;

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask};
use rustix::thread::set_no_new_privs;

/// The most files that a process may open. Some systems allow a billion, and some programs go through all of them.
const OPEN_FILES: u64 = 1 << 16;

/// Closes what the process that started this one left open beside input, output and errors: a lock, a file, a socket that
/// is not for the command. To be called before this process opens anything itself.
pub(super) fn close_inherited() {
    // Without /proc nothing is run: the attempt ends with a record that says so.
    let Ok(folder) = fs::read_dir("/proc/self/fd") else { return };
    let number = |entry: fs::DirEntry| entry.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
    let open: Vec<RawFd> = folder.flatten().filter_map(number).collect();
    for inherited in open.into_iter().filter(|number| *number > 2) {
        // The folder that was just read is among them, and closed already.
        let _closed = nix::unistd::close(inherited);
    }
}

/// Confines this process and its future children. None of it can be undone by them.
///
/// - Its memory, where the token is, and its environment cannot be read by others of the same user. Executors find it by
///   its environment only as long as it has not written down who it is.
/// - No program gains rights by being started: `setuid` bits do nothing.
/// - No core dumps, which would hold secrets.
pub(super) fn confine() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_no_new_privs(true)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let files = getrlimit(Resource::Nofile);
    let bounded = |limit: Option<u64>| Some(limit.map_or(OPEN_FILES, |limit| limit.min(OPEN_FILES)));
    setrlimit(Resource::Nofile, Rlimit { current: bounded(files.current), maximum: bounded(files.maximum) })?;
    // As most systems have it, so that a build does not depend on the host's.
    umask(Mode::WGRP | Mode::WOTH);
    Ok(())
}
