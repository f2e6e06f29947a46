//! Whether the system killed a process of the attempt because the memory limit was passed.

use std::fs;

use netbuild_core::model::{Cause, Failure};

/// Where the kernel counts such kills: of version 2 of control groups, and of version 1.
const COUNTS: [&str; 2] = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/// How many processes of the runner's own container were killed for memory so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// `None` where it cannot be told: the runner shares its control group with others.
    kills: Option<u64>,
}

impl Memory {
    /// Reads the count. The first process of a container has the control group to itself; any other runner may be in that
    /// of the host application, whose kills are not the attempt's.
    pub(super) fn now() -> Self {
        let alone = std::process::id() == 1;
        let kills = || COUNTS.into_iter().find_map(|path| kills(&fs::read_to_string(path).ok()?));
        Memory { kills: alone.then(kills).flatten() }
    }

    /// The failure of an attempt of which a process was killed for memory since then.
    pub(super) fn failure(self) -> Option<Failure> {
        self.grown(Memory::now())
    }

    fn grown(self, now: Memory) -> Option<Failure> {
        let killed = now.kills?.checked_sub(self.kills?).filter(|killed| *killed > 0)?;
        let text = format!("the memory limit was passed: the system killed {killed} of the build's processes");
        Some(Failure::new(Cause::OutOfMemory, text))
    }
}

/// The count in a file of lines `name count`.
fn kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|count| count.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_have_the_count_in_a_line_of_its_own() {
        assert_eq!(kills("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"), Some(2));
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"), Some(1));
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\n"), None, "a kernel that does not count them");
    }

    #[test]
    fn only_kills_since_then_count() {
        let memory = |kills| Memory { kills };
        let cause = |before, now| memory(before).grown(memory(now)).map(|failure| failure.cause);
        assert_eq!(cause(Some(1), Some(2)), Some(Cause::OutOfMemory));
        for (before, now) in [(Some(1), Some(1)), (None, Some(1)), (Some(1), None), (Some(2), Some(1))] {
            assert_eq!(cause(before, now), None, "{before:?} {now:?}");
        }
    }
}
