//! The processes of the attempt beside the runner: found, told to end, killed, and buried.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Signal, Uid, WaitOptions, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_thread_res_uid};
use tokio::signal::unix::SignalKind;
use tokio::sync::oneshot;

use super::proc_stat::ProcStat;

/// How often to look while waiting for processes to end.
const LOOK: Duration = Duration::from_millis(20);

/// How long to wait for killed processes to be gone. One that hangs in the kernel longer cannot be helped.
const KILLED: Duration = Duration::from_secs(2);

/// The shortest time between two looks for dead orphans.
const BURIAL: Duration = Duration::from_secs(1);

/// Makes the runner the leader of its process group, and the parent of every orphan among its descendants, so that none
/// of them can be lost: not by leaving the group and not by a second fork.
pub(super) fn lead() -> std::io::Result<()> {
    if rustix::process::getpgrp() != rustix::process::getpid() {
        rustix::process::setpgid(None, None)?;
    }
    // Any pid turns it on.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Ends every process of the attempt but the runner: TERM, at most `grace`, KILL. `user` is the command's own.
pub(super) async fn end(grace: Duration, user: Option<u32>) {
    send(Signal::TERM, user);
    if tokio::time::timeout(grace, gone(user)).await.is_err() {
        kill(user).await;
    }
}

/// Kills every process of the attempt but the runner.
pub(super) async fn kill(user: Option<u32>) {
    let killed = async {
        // Before anybody is looked for: a chain of processes that each start the next and end can slip through every look.
        if let Some(user) = user {
            kill_all_of(user).await;
        }
        // Again and again: a process may have forked while it was being killed.
        while send(Signal::KILL, user) > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    // Past the bound they hang in the kernel; they are killed as soon as they leave it.
    let _hang = tokio::time::timeout(KILLED, killed).await;
}

/// Kills every process of a user at one stroke, from which none can escape by forking: the kernel lets a user signal all
/// that it may, and only that.
///
/// A thread of its own does it, with the user's effective id alone. Its other ids are nobody's, as those with the highest
/// bit are given to no account, so that no process of the user can stop it.
async fn kill_all_of(user: u32) {
    let Some(nobody) = mirror(user) else { return };
    let (done, end) = oneshot::channel();
    let killer = thread::Builder::new().spawn(move || {
        // Who waited may have gone on.
        let _ = done.send(become_and_kill(user, nobody));
    });
    // Without it, they are killed one by one.
    if killer.is_ok() {
        let _killed = end.await;
    }
}

fn become_and_kill(user: u32, nobody: u32) -> rustix::io::Result<()> {
    let nobody = Uid::from_raw(nobody);
    set_thread_res_uid(nobody, Uid::from_raw(user), nobody)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    // The first process as a group stands for all that may be signalled.
    let killed = rustix::process::kill_process_group(Pid::INIT, Signal::KILL);
    // A thread that takes other ids may change it for the whole process.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    killed
}

/// `None` for what no command may run as: root, and ids that have no mirror.
fn mirror(user: u32) -> Option<u32> {
    (1..(1 << 31) - 1).contains(&user).then_some(user | 1 << 31)
}

/// Whether all of a user can be killed at once.
pub(super) fn can_end(user: u32) -> bool {
    mirror(user).is_some()
}

/// Waits for dead children whose parent the runner has become by their orphaning, for ever. The command itself is left to
/// who waits for it.
pub(super) async fn bury_orphans(command: Option<u32>) {
    let command = command.and_then(|pid| i32::try_from(pid).ok());
    let Ok(mut deaths) = tokio::signal::unix::signal(SignalKind::child()) else { return std::future::pending().await };
    while deaths.recv().await.is_some() {
        for orphan in orphans(&ProcStat::all(), me(), command) {
            if let Some(pid) = Pid::from_raw(orphan) {
                // Gone already is as good.
                let _status = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        // A build may start thousands of processes; a look now and then keeps the dead few.
        tokio::time::sleep(BURIAL).await;
    }
}

async fn gone(user: Option<u32>) {
    while !others(user).is_empty() {
        tokio::time::sleep(LOOK).await;
    }
}

fn me() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// The members that are there now.
fn others(user: Option<u32>) -> Vec<ProcStat> {
    let all = ProcStat::all();
    members(&all, me(), |it| user.is_some_and(|user| it.runs_as(user)))
}

/// Sends a signal to each member; tells how many there were.
fn send(signal: Signal, user: Option<u32>) -> usize {
    let members = others(user);
    for member in &members {
        send_to(member, signal);
    }
    members.len()
}

/// Sends by a handle on the process, so that a new process with the same id is never hit.
fn send_to(member: &ProcStat, signal: Signal) {
    let Some(pid) = Pid::from_raw(member.pid) else { return };
    let Ok(handle) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
    if ProcStat::of(member.pid).is_some_and(|now| now.start_ticks == member.start_ticks) {
        // An error means that it has ended, which was the aim.
        let _ended = rustix::process::pidfd_send_signal(&handle, signal);
    }
}

/// The living processes that are in the runner's group, descend from it or run as the command's own user, without itself.
fn members(all: &[ProcStat], runner: i32, is_users: impl Fn(&ProcStat) -> bool) -> Vec<ProcStat> {
    let parents: BTreeMap<i32, i32> = all.iter().map(|it| (it.pid, it.parent)).collect();
    let descends = |pid: i32| {
        let mut at = pid;
        // As many steps as there are processes: the list is no snapshot, so it may have a circle.
        for _ in 0..all.len() {
            match parents.get(&at) {
                Some(&parent) if parent == runner => return true,
                Some(&parent) => at = parent,
                None => return false,
            }
        }
        false
    };
    all.iter()
        .filter(|it| it.pid != runner && !it.zombie)
        .filter(|it| it.group == runner || descends(it.pid) || is_users(it))
        .copied()
        .collect()
}

/// The dead children of the runner but the command.
fn orphans(all: &[ProcStat], runner: i32, command: Option<i32>) -> Vec<i32> {
    let dead = all.iter().filter(|it| it.zombie && it.parent == runner && Some(it.pid) != command);
    dead.map(|it| it.pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: i32, parent: i32, group: i32) -> ProcStat {
        ProcStat { pid, zombie: false, parent, group, start_ticks: 1 }
    }

    #[test]
    fn members_are_the_group_all_descendants_and_all_of_the_user() {
        let all = [
            stat(1, 0, 1),
            stat(50, 1, 50),                               // the runner
            stat(51, 50, 50),                              // the command
            stat(52, 51, 52),                              // has a group of its own
            stat(53, 52, 53),                              // and its child as well
            stat(54, 1, 50),                               // in the group, but no descendant
            stat(60, 1, 60),                               // a stranger
            stat(70, 71, 70),                              // a circle
            stat(71, 70, 71),                              //
            ProcStat { zombie: true, ..stat(55, 50, 50) }, // dead
            stat(80, 1, 80),                               // of the user, with nothing else that tells
        ];
        let pids = |user: &[i32]| {
            let members = members(&all, 50, |it| user.contains(&it.pid));
            members.iter().map(|it| it.pid).collect::<Vec<_>>()
        };
        assert_eq!(pids(&[]), [51, 52, 53, 54]);
        assert_eq!(pids(&[51, 55, 80]), [51, 52, 53, 54, 80]);
    }

    #[test]
    fn the_command_is_no_orphan() {
        let dead = |pid, parent| ProcStat { zombie: true, ..stat(pid, parent, 50) };
        let all = [dead(51, 50), dead(52, 50), dead(53, 52), stat(54, 50, 50)];
        assert_eq!(orphans(&all, 50, Some(51)), [52]);
    }
}
