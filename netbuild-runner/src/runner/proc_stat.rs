//! `/proc/PID/stat`, read with care: the second field is a program's name and may hold anything.

use std::fs;

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcStat {
    pub(super) pid: i32,
    /// Dead, and not yet waited for.
    pub(super) zombie: bool,
    pub(super) parent: i32,
    pub(super) group: i32,
    /// Clock ticks from the boot to its start.
    pub(super) start_ticks: u64,
}

impl ProcStat {
    /// Parses the text of `/proc/PID/stat`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(" (")?;
        // The name ends at the last parenthesis: it may hold parentheses and spaces of its own.
        let (_, rest) = rest.rsplit_once(") ")?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        // State, parent and group are the fields 3 to 5; the start time is field 22.
        let start_ticks = fields.nth(16)?.parse().ok()?;
        Some(ProcStat { pid: pid.parse().ok()?, zombie: matches!(state, "Z" | "X"), parent, group, start_ticks })
    }

    /// The process with an id, while there is one.
    pub(super) fn of(pid: i32) -> Option<Self> {
        Self::parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
    }

    /// Whether it has a user's rights, in whichever of the four ways the kernel counts.
    pub(super) fn runs_as(&self, user: u32) -> bool {
        // Not the owner of its folder in `/proc`, which is root for a process that hides its memory.
        fs::read(format!("/proc/{}/status", self.pid))
            .is_ok_and(|status| users(&String::from_utf8_lossy(&status)).any(|it| it == user))
    }

    /// All processes that can be seen.
    pub(super) fn all() -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter_map(Self::of).collect()
    }
}

/// The user ids in the text of `/proc/PID/status`: real, effective, saved, and that for files. The name of the program
/// comes before them with its line ends escaped.
fn users(status: &str) -> impl Iterator<Item = u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    line.split_ascii_whitespace().filter_map(|id| id.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "S 10 20 30 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3";

    #[test]
    fn a_hostile_name_moves_no_field() {
        for name in ["sh", "a b", "x) R 1 1 (y", ") Z 9 9 9", "((("] {
            let stat = ProcStat::parse(&format!("7 ({name}) {REST}")).unwrap();
            assert_eq!(stat, ProcStat { pid: 7, zombie: false, parent: 10, group: 20, start_ticks: 98765 }, "{name}");
        }
        for bad in ["", "7", "7 (sh)", "7 (sh) S 1 2", "x (sh) S 10 20"] {
            assert_eq!(ProcStat::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_of_the_users_ids_counts() {
        let status = "Name:\tsh\\nUid:\t7\t7\t7\t7\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t5\t5\t5\t5\n";
        assert_eq!(users(status).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(users("").count(), 0);
    }

    #[test]
    fn this_process_is_among_all() {
        let me = i32::try_from(std::process::id()).unwrap();
        let stat = ProcStat::of(me).unwrap();
        assert!(ProcStat::all().contains(&stat));
        let user = rustix::process::getuid().as_raw();
        assert!(stat.runs_as(user) && !stat.runs_as(user + 1));
    }
}
