//! Signals to the processes of an attempt, and to no others.

use std::io;
use std::thread;

use netbuild_core::model::AttemptFolder;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, Uid, dumpable_behavior, getuid, kill_process_group, pidfd_open, pidfd_send_signal,
    set_dumpable_behavior,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_thread_res_uid};

use super::proc_table::{Leader, Process, Traces, members, read_stat, read_table};

/// Asks the processes of an attempt to end: its runner's group, or, before its runner has shown itself, all with its
/// cookie.
pub(super) fn term(traces: &Traces) -> io::Result<()> {
    if signal_group(traces.leader, Signal::TERM)? {
        return Ok(());
    }
    for process in members(&read_table()?, traces, me()) {
        signal(process, Signal::TERM)?;
    }
    Ok(())
}

/// Kills all processes of an attempt. Whether none was left; if not, it is called again a little later.
///
/// A single look at `/proc` can miss a child whose parent ends while the look goes on, so nobody must be seen twice.
pub(super) fn sweep(traces: &Traces) -> io::Result<bool> {
    signal_group(traces.leader, Signal::KILL)?;
    for _look in 0..2 {
        let table = read_table()?;
        let left = members(&table, traces, me());
        for process in &left {
            signal(process, Signal::KILL)?;
        }
        if !left.is_empty() {
            traces.user.map_or(Ok(()), kill_all_of)?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Kills every process of a user at one stroke, from which none can escape by forking: the kernel lets a user signal all
/// that it may, and only that.
///
/// A thread of its own does it, with the user's effective id alone. Its other ids are nobody's, so that no process of
/// the user can stop it.
fn kill_all_of(user: u32) -> io::Result<()> {
    let dumpable = dumpable_behavior()?;
    let killer = thread::Builder::new().spawn(move || {
        let nobody = Uid::from_raw(mirror(user));
        set_thread_res_uid(nobody, Uid::from_raw(user), nobody)?;
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
        // The first process as a group stands for all that may be signalled.
        match kill_process_group(Pid::INIT, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error),
        }
    })?;
    let killed = killer.join().unwrap_or(Err(Errno::IO));
    // A thread that takes other ids takes core dumps from the whole process.
    set_dumpable_behavior(dumpable)?;
    Ok(killed?)
}

/// An id that is nobody's: those with the highest bit are given to no account.
fn mirror(user: u32) -> u32 {
    user | 1 << 31
}

/// The user of this process and of its runners.
fn me() -> u32 {
    getuid().as_raw()
}

/// Whether any process of an attempt is there.
pub(super) fn anybody(traces: &Traces) -> io::Result<bool> {
    Ok(!members(&read_table()?, traces, me()).is_empty())
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
