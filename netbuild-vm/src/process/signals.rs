//! Signals to the processes of an attempt, and to no others.

use std::io;

use netbuild_core::model::AttemptFolder;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use super::proc_table::{Leader, Process, members, read_stat, read_table};

/// Asks the processes of an attempt to end: its runner's group, or, before its runner has shown itself, all with its
/// cookie.
pub(super) fn term(cookie: &str, leader: Option<Leader>) -> io::Result<()> {
    if signal_group(leader, Signal::TERM)? {
        return Ok(());
    }
    for process in members(&read_table()?, cookie, leader) {
        signal(process, Signal::TERM)?;
    }
    Ok(())
}

/// Kills all processes of an attempt. Whether none was left; if not, it is called again a little later.
///
/// A single look at `/proc` can miss a child whose parent ends while the look goes on, so nobody must be seen twice.
pub(super) fn sweep(cookie: &str, leader: Option<Leader>) -> io::Result<bool> {
    signal_group(leader, Signal::KILL)?;
    for _look in 0..2 {
        let table = read_table()?;
        let left = members(&table, cookie, leader);
        for process in &left {
            signal(process, Signal::KILL)?;
        }
        if !left.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether any process of an attempt is there.
pub(super) fn anybody(cookie: &str, leader: Option<Leader>) -> io::Result<bool> {
    Ok(!members(&read_table()?, cookie, leader).is_empty())
}

/// Signals a whole group at once, if its leader is there, alive or as a zombie: then the number is its own. Whether it is.
fn signal_group(leader: Option<Leader>, signal: Signal) -> io::Result<bool> {
    let Some(leader) = leader else { return Ok(false) };
    if read_stat(leader.pid)?.is_none_or(|stat| stat.start_ticks != leader.start_ticks) {
        return Ok(false);
    }
    let Some(group) = pid(leader.pid) else { return Ok(false) };
    match kill_process_group(group, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Signals one process through a descriptor, so that its pid cannot pass to another one in between.
fn signal(process: &Process, signal: Signal) -> io::Result<()> {
    let Some(pid) = pid(process.pid) else { return Ok(()) };
    let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(()),
        other => other?,
    };
    if read_stat(process.pid)?.is_none_or(|stat| stat.start_ticks != process.start_ticks) {
        return Ok(());
    }
    match pidfd_send_signal(&descriptor, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(Errno::PERM) => {
            tracing::warn!(
                pid = process.pid,
                "a process with {} of this executor belongs to another user and cannot be ended",
                AttemptFolder::COOKIE
            );
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Never pid 0 or 1: as a target, 0 would mean the own group.
fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().filter(|number| *number > 1).and_then(Pid::from_raw)
}
