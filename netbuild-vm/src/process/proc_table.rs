//! Who runs on this host, read from `/proc`; and who of them belongs to an attempt, as a pure function.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use netbuild_core::model::AttemptFolder;
use rustix::thread::Timespec;

/// A process of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) group: u32,
    /// In clock ticks since boot. With the pid it names a process for as long as the host is up.
    pub(super) start_ticks: u64,
    /// A zombie runs nothing any more, but keeps its pid from being used again.
    pub(super) zombie: bool,
    /// The real user id.
    pub(super) user: u32,
    /// The attempt that its environment names.
    pub(super) cookie: Option<String>,
}

/// A runner, which leads its process group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) pid: u32,
    pub(super) start_ticks: u64,
}

/// By what the processes of an attempt are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Traces {
    pub(super) cookie: String,
    /// The leader of its process group, as far as it is known in this boot.
    pub(super) leader: Option<Leader>,
    /// The user that its command, and nothing else, runs as.
    pub(super) user: Option<u32>,
}

/// The living processes of an attempt: all with its cookie, all of its runner's group, and all of its user. `me` is the
/// user of the executor and its runners.
///
/// An attempt with a user of its own is known by the cookie and the group only among its user's processes and the
/// runners': otherwise another user's command could take its cookie on and keep it from ending.
///
/// A group is known by a number, and numbers are used again once a group is empty. So the group counts only as long as
/// it is proven to be the runner's: the runner is there itself, if only as a zombie, or another member has the cookie.
/// A member with the cookie of another attempt is never taken.
pub(super) fn members<'a>(table: &'a [Process], traces: &Traces, me: u32) -> Vec<&'a Process> {
    let Traces { cookie, leader, user } = traces;
    let is_users = |process: &Process| Some(process.user) == *user;
    let concerns = |process: &Process| user.is_none() || is_users(process) || process.user == me;
    let has_cookie = |process: &Process| process.cookie.as_ref() == Some(cookie);
    let in_group =
        |process: &Process, leader: Leader| process.group == leader.pid && process.start_ticks >= leader.start_ticks;
    let proven = leader.filter(|leader| {
        table.iter().any(|process| is(process, *leader) || (in_group(process, *leader) && has_cookie(process)))
    });
    table
        .iter()
        .filter(|process| !process.zombie && concerns(process))
        .filter(|process| {
            is_users(process)
                || has_cookie(process)
                || (process.cookie.is_none() && proven.is_some_and(|leader| in_group(process, leader)))
        })
        .collect()
}

fn is(process: &Process, leader: Leader) -> bool {
    process.pid == leader.pid && process.start_ticks == leader.start_ticks
}

/// All processes but this one.
pub(super) fn read_table() -> io::Result<Vec<Process>> {
    let this = std::process::id();
    let mut table = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|text| text.parse::<u32>().ok()) else { continue };
        if pid == this {
            continue;
        }
        if let (Some(stat), Some(user)) = (read_stat(pid)?, read_user(pid)) {
            table.push(Process {
                pid,
                group: stat.group,
                start_ticks: stat.start_ticks,
                zombie: stat.zombie,
                user,
                cookie: read_cookie(pid),
            });
        }
    }
    Ok(table)
}

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) group: u32,
    pub(super) start_ticks: u64,
    pub(super) zombie: bool,
    /// It is between two programs: it has memory, and no environment in it yet. Seen only by who may read its environment.
    pub(super) executes: bool,
}

/// The stat of a process; `None` when there is none with this pid.
pub(super) fn read_stat(pid: u32) -> io::Result<Option<Stat>> {
    match fs::read(Path::new("/proc").join(pid.to_string()).join("stat")) {
        // The program's name is the process's own choice, and may be no text.
        Ok(bytes) => parse_stat(&String::from_utf8_lossy(&bytes)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the process with this identity is there and no zombie.
pub(super) fn is_alive(leader: Leader) -> io::Result<bool> {
    Ok(read_stat(leader.pid)?.is_some_and(|stat| stat.start_ticks == leader.start_ticks && !stat.zombie))
}

/// The boot that the host is in.
pub(super) fn read_boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Takes state, group and start time from a stat line; `None` for a process that was waited for while it was read, which
/// the kernel shows without a group. The second field is the program's name in parentheses, which may itself hold spaces
/// and parentheses: what counts begins behind the last one.
fn parse_stat(text: &str) -> io::Result<Option<Stat>> {
    let fields = text.rfind(')').map(|end| text[end + 1..].split_ascii_whitespace().collect::<Vec<_>>());
    match fields.unwrap_or_default().as_slice() {
        [_, _, "-1", ..] => Ok(None),
        fields => match stat_of(fields) {
            Some(stat) => Ok(Some(stat)),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, format!("unreadable stat {text:?}"))),
        },
    }
}

/// A process whose first thread has ended before the others is shown as a zombie and is none: it has more than one thread.
fn stat_of(fields: &[&str]) -> Option<Stat> {
    Some(Stat {
        zombie: matches!(*fields.first()?, "Z" | "X" | "x") && fields.get(17)?.parse::<u32>().ok()? <= 1,
        group: fields.get(2)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
        executes: *fields.get(20)? != "0" && *fields.get(48)? == "0",
    })
}

/// The real user of a process, while it is there. The owner of its folder in `/proc` is not it: that is root for a process
/// that hides its memory.
fn read_user(pid: u32) -> Option<u32> {
    let status = fs::read(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    // The program's name comes before, with its line ends escaped.
    String::from_utf8_lossy(&status)
        .lines()
        .find_map(|line| line.strip_prefix("Uid:\t")?.split('\t').next()?.parse().ok())
}

/// The most bytes of an environment that are looked at.
const MAX_ENVIRON_BYTES: u64 = 1 << 20;

/// The longest wait for a process to get its environment. It takes microseconds, but a process may lose the processor then.
const EXECUTION: Duration = Duration::from_secs(1);

/// The pause between two looks at such a process.
const LOOK: Duration = Duration::from_millis(1);

/// The cookie of a process. Without the right to read its environment, it has none that concerns us.
///
/// A process that executes a program lets go of what it held, the lock of a folder too, a moment before its new environment
/// is there. In this moment it would look like somebody else, so it is waited for.
fn read_cookie(pid: u32) -> Option<String> {
    for _ in 0..EXECUTION.as_millis() / LOOK.as_millis() {
        let mut environ = Vec::new();
        let file = File::open(Path::new("/proc").join(pid.to_string()).join("environ")).ok()?;
        file.take(MAX_ENVIRON_BYTES).read_to_end(&mut environ).ok()?;
        if !environ.is_empty() || !read_stat(pid).ok()??.executes {
            return find_cookie(&environ);
        }
        // Shorter or longer does no harm.
        let _slept = rustix::thread::nanosleep(&Timespec { tv_sec: 0, tv_nsec: LOOK.as_nanos() as i64 });
    }
    None
}

fn find_cookie(environ: &[u8]) -> Option<String> {
    environ.split(|byte| *byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(AttemptFolder::COOKIE.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    })
}

/// A process that ends while its files are read answers "no such file" or "no such process".
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: &str = "nb-1.1";
    const LEADER: Leader = Leader { pid: 10, start_ticks: 100 };

    /// The user of the executor.
    const ME: u32 = 0;

    fn traces(leader: Option<Leader>, user: Option<u32>) -> Traces {
        Traces { cookie: COOKIE.to_owned(), leader, user }
    }

    fn process(pid: u32, group: u32, start_ticks: u64, cookie: Option<&str>) -> Process {
        Process { pid, group, start_ticks, zombie: false, user: ME, cookie: cookie.map(str::to_owned) }
    }

    fn zombie(pid: u32, group: u32, start_ticks: u64) -> Process {
        Process { zombie: true, ..process(pid, group, start_ticks, None) }
    }

    fn pids(table: &[Process]) -> Vec<u32> {
        members(table, &traces(Some(LEADER), None), ME).iter().map(|process| process.pid).collect()
    }

    #[test]
    fn a_stat_line_is_read_behind_the_programs_name() {
        let memory = format!("9000 {}7001 7999 0", "1 ".repeat(26));
        let line = format!("42 (a) b (c)) S 1 40 39 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 {memory}");
        let stat = Stat { group: 40, start_ticks: 12345, zombie: false, executes: false };
        let parse = |text: &str| parse_stat(text).unwrap();
        assert_eq!(parse(&line), Some(stat));
        let zombie = line.replace(") S", ") Z");
        assert_eq!(parse(&zombie).map(|stat| stat.zombie), Some(true));
        let others_run = zombie.replace(" 20 0 1 0 12345", " 20 0 3 0 12345");
        assert_eq!(parse(&others_run).map(|stat| stat.zombie), Some(false));
        let executes = line.replace(" 7001 7999 0", " 0 0 0");
        assert_eq!(parse(&executes), Some(Stat { executes: true, ..stat }));
        let of_the_kernel = executes.replace(" 9000 ", " 0 ");
        assert_eq!(parse(&of_the_kernel), Some(stat), "it has no memory");
        for end in 0..line.len() - memory.len() - 1 {
            assert!(parse_stat(&line[..end]).is_err());
        }
    }

    #[test]
    fn a_process_that_was_just_waited_for_is_gone() {
        let released = "42 (sh) X 0 -1 -1 0 -1 4227084 0 0 0 0 0 0 0 0 20 0 0 0 12345 0 0";
        assert_eq!(parse_stat(released).unwrap(), None);
    }

    #[test]
    fn a_process_whose_name_is_no_text_blinds_nobody() {
        let script = "printf '\\377) Z' > /proc/$$/comm; echo named; read _line";
        let mut child = std::process::Command::new("sh");
        let pipes = child.args(["-c", script]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0; 6]).unwrap();
        let stat = read_stat(child.id());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(stat.unwrap().is_some_and(|stat| !stat.zombie));
    }

    #[test]
    fn a_cookie_is_found_among_other_variables() {
        assert_eq!(find_cookie(b"A=1\0NETBUILD_ATTEMPT=nb-1.1\0B=2\0").as_deref(), Some("nb-1.1"));
        assert_eq!(find_cookie(b"XNETBUILD_ATTEMPT=nb-1.1\0NETBUILD_ATTEMPTS=nb-1.1\0"), None);
        assert_eq!(find_cookie(b""), None);
    }

    #[test]
    fn all_with_the_cookie_are_members_wherever_they_went() {
        assert_eq!(pids(&[process(50, 50, 200, Some(COOKIE)), process(51, 51, 200, Some("nb-1.10"))]), [50]);
        assert_eq!(members(&[process(50, 50, 200, Some(COOKIE))], &traces(None, None), ME).len(), 1);
    }

    #[test]
    fn the_group_counts_while_its_runner_is_there_even_as_a_zombie() {
        let child = process(11, 10, 150, None);
        assert_eq!(pids(&[process(10, 10, 100, None), child.clone()]), [10, 11]);
        assert_eq!(pids(&[zombie(10, 10, 100), child.clone()]), [11]);
        assert_eq!(pids(&[child.clone(), process(12, 10, 160, Some(COOKIE))]), [11, 12], "or while one has the cookie");
        assert_eq!(pids(&[child]), [0; 0], "a number alone proves nothing");
    }

    #[test]
    fn a_group_whose_number_was_used_again_is_left_alone() {
        assert_eq!(pids(&[process(10, 10, 500, None), process(11, 10, 510, None)]), [0; 0]);
        assert_eq!(
            pids(&[process(10, 10, 100, None), process(11, 10, 150, Some("nb-2.1"))]),
            [10],
            "nor others' cookies"
        );
        assert_eq!(pids(&[process(10, 10, 100, None), process(9, 10, 50, None)]), [10], "nor what was there before");
    }

    #[test]
    fn all_of_the_user_are_members_and_nobody_of_another() {
        let of = |user, process| Process { user, ..process };
        let table = [
            process(10, 10, 100, Some(COOKIE)),          // the runner
            of(7, process(20, 20, 150, None)),           // has left everything
            of(8, process(30, 10, 150, None)),           // somebody else's, in its group
            of(8, process(40, 40, 150, Some(COOKIE))),   // or with its cookie
            of(7, process(50, 50, 150, Some("nb-2.1"))), // its own, with another's cookie
            Process { zombie: true, ..of(7, process(60, 60, 150, None)) },
        ];
        let found = members(&table, &traces(Some(LEADER), Some(7)), ME);
        assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), [10, 20, 50]);
    }

    #[test]
    fn this_host_can_be_read() {
        let this = read_stat(std::process::id()).unwrap().unwrap();
        assert!(!this.zombie);
        assert!(read_table().unwrap().iter().all(|process| process.pid != std::process::id()));
        assert_eq!(read_user(std::process::id()), Some(rustix::process::getuid().as_raw()));
        assert_eq!(read_stat(u32::MAX).unwrap(), None);
        assert_eq!(read_boot_id().unwrap().len(), 36);
    }
}
