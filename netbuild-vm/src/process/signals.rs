//! Signals to the processes of an attempt, and to no others.

use std::error::Error;
use std::io;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use netbuild_core::model::AttemptFolder;
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, Uid, dumpable_behavior, getuid, kill_process_group, pidfd_open,
    pidfd_send_signal, set_dumpable_behavior,
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
///
/// A user's processes are killed before anybody is looked for: a chain of processes that each start the next and end can
/// slip through every look.
pub(super) fn sweep(traces: &Traces) -> io::Result<bool> {
    signal_group(traces.leader, Signal::KILL)?;
    if let Some(user) = traces.user {
        kill_all_of(user);
    }
    for _look in 0..2 {
        let table = read_table()?;
        let left = members(&table, traces, me());
        for process in &left {
            signal(process, Signal::KILL)?;
        }
        if !left.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Kills every process of a user at one stroke, from which none can escape by forking: the kernel lets a user signal all
/// that it may, and only that. Where it cannot be done, processes are killed one by one, as they are seen.
///
/// A thread of its own does it, with the user's effective id alone. Its other ids are nobody's, so that no process of
/// the user can stop it. They may slow it down, and nobody waits for that.
fn kill_all_of(user: u32) {
    let Some(nobody) = mirror(user) else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (done, end) = mpsc::channel();
    let killer = thread::Builder::new().spawn(move || {
        // Who waited may have gone on.
        let _ = done.send(become_and_kill(user, nobody));
    });
    if let Err(error) = killer {
        tracing::warn!(error = &error as &dyn Error, "no thread could be started to kill a user's processes at once");
        return;
    }
    match end.recv_timeout(PATIENCE) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(user, error = &error as &dyn Error, "a user is killed one by one"),
        Err(_) => tracing::warn!(user, "who kills a user's processes is slow"),
    }
}

fn become_and_kill(user: u32, nobody: u32) -> io::Result<()> {
    let dumpable = dumpable_behavior()?;
    set_thread_res_uid(Uid::from_raw(nobody), Uid::from_raw(user), Uid::from_raw(nobody))?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    // The first process as a group stands for all that may be signalled.
    match kill_process_group(Pid::INIT, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => return Err(error.into()),
    }
    if dumpable == DumpableBehavior::Dumpable {
        set_dumpable_behavior(dumpable)?;
    }
    Ok(())
}

/// A thread that takes other ids takes core dumps from the whole process. So they take turns, or one would find them taken
/// by another, and leave them so.
static TURN: Mutex<()> = Mutex::new(());

/// How long to wait for who kills.
const PATIENCE: Duration = Duration::from_secs(1);

/// The id that is nobody's under which a user's processes are killed: those with the highest bit are given to no account.
/// `None` for root, and for ids whose mirror would be their own, or the one that means "as before".
pub(super) fn mirror(user: u32) -> Option<u32> {
    (1..(1 << 31) - 1).contains(&user).then_some(user | 1 << 31)
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

/// `scripts/test` skips this module by its name where there is no root.
#[cfg(test)]
mod needs_root {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn nobody_can_stop_who_kills_him() {
        let user = 1_300_000_000 + std::process::id() % 1_000_000;
        let mut stopper = Command::new("/bin/sh");
        stopper.args(["-c", "while :; do kill -STOP -1; done"]).uid(user).gid(user).current_dir("/");
        stopper.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut bystander = Command::new("sleep").arg("600").uid(user + 1).spawn().unwrap();
        for _ in 0..20 {
            let mut stopper = stopper.spawn().unwrap();
            kill_all_of(user);
            assert_eq!(stopper.wait().unwrap().code(), None, "killed");
        }
        assert!(bystander.try_wait().unwrap().is_none(), "and nobody else");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }

    #[test]
    fn killing_takes_no_core_dumps_from_the_host() {
        thread::scope(|scope| {
            for n in 0..4 {
                scope.spawn(move || (0..100).for_each(|_| kill_all_of(1_400_000_000 + n)));
            }
        });
        let _turn = TURN.lock();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable);
    }

    #[test]
    fn a_chain_that_no_look_finds_is_swept() {
        let user = 1_500_000_000 + std::process::id() % 1_000_000;
        for _ in 0..10 {
            let mut chain = Command::new("/bin/sh");
            chain.args(["-c", "chain() { (chain) & }; chain"]).uid(user).gid(user).current_dir("/");
            chain.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
            chain.spawn().unwrap().wait().unwrap();
            let traces = Traces { user: Some(user), ..Traces::default() };
            while !sweep(&traces).unwrap() {}
            // One look finds hardly ever who is there.
            assert!((0..50).all(|_| !anybody(&traces).unwrap()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_another_id_that_means_somebody() {
        assert_eq!(mirror(1), Some((1 << 31) + 1));
        assert_eq!(mirror((1 << 31) - 2), Some(u32::MAX - 1));
        for none in [0, (1 << 31) - 1, 1 << 31, u32::MAX - 1, u32::MAX] {
            assert_eq!(mirror(none), None, "{none}");
        }
    }
}
