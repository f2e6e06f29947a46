//! A machine that is made of namespaces: its own processes, mounts and network, on the kernel of this one.

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ServerError;
use crate::process::Process;
use crate::program::{command, find};

/// The first process of the machine. It buries the dead of others, as such processes do.
const INIT: &str = "while :; do sleep 1; done";

/// How many machines there can be at once.
const COUNT: u8 = 250;

/// A machine. When it is dropped, or this process is killed, all its processes are killed, its mounts are gone and its
/// network is.
#[derive(Debug)]
pub(super) struct Machine {
    init: Process,
    number: u8,
    _lock: File,
}

impl Machine {
    /// Starts a machine that keeps what it writes about itself in `folder`. Processes of this machine and containers of the
    /// new one reach each other by [`outside`](Self::outside) and [`inside`](Self::inside).
    pub(super) fn start(folder: &Path) -> Result<Self, ServerError> {
        let (number, lock) = take_number()?;
        let mut unshare = command(find("unshare", "util-linux", [])?, false);
        unshare.args([
            "--pid",
            "--fork",
            "--kill-child",
            "--mount",
            "--propagation",
            "private",
            "--mount-proc",
            "--net",
        ]);
        unshare.args(["--", "sh", "-c", INIT]);
        let init = Process::start("unshare", unshare, &folder.join("machine.log"))?;
        let machine = Machine { init, number, _lock: lock };
        machine.init.wait_until(|| machine.first().is_some_and(has_own_proc))?;
        // As on other machines. On one where nothing is shared the daemon hides what is mounted below its folder.
        let mut share = machine.enter("mount");
        share.args(["--make-rshared", "/"]);
        succeeds(share)?;
        machine.connect()?;
        Ok(machine)
    }

    fn connect(&self) -> Result<(), ServerError> {
        let (link, first) = (self.name(), self.first().unwrap_or_default().to_string());
        let [outside, inside] = [self.outside(), self.inside()].map(|addr| addr.to_string());
        let ip = |arguments: &[&str]| {
            let mut ip = Command::new("ip");
            ip.args(arguments);
            succeeds(ip)
        };
        ip(&["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &first])?;
        ip(&["addr", "add", &format!("{outside}/24"), "dev", &link])?;
        ip(&["link", "set", &link, "up"])?;
        let within = |arguments: &[&str]| {
            let mut ip = self.enter("ip");
            ip.args(arguments);
            succeeds(ip)
        };
        within(&["link", "set", "lo", "up"])?;
        within(&["addr", "add", &format!("{inside}/24"), "dev", "eth0"])?;
        within(&["link", "set", "eth0", "up"])?;
        within(&["route", "add", "default", "via", &outside])
    }

    /// A command that runs a program of this machine in the other one.
    pub(super) fn enter(&self, program: impl AsRef<Path>) -> Command {
        let mut command = command("nsenter", false);
        let first = self.first().unwrap_or_default().to_string();
        command.args(["--target", &first, "--pid", "--mount", "--net", "--wd=/", "--"]).arg(program.as_ref());
        command
    }

    /// Makes an ext4 disk of so many bytes of a file, and mounts it in the machine alone.
    pub(super) fn mount_disk(&self, file: &Path, bytes: u64, at: &Path) -> Result<(), ServerError> {
        let made = File::create(file).and_then(|disk| disk.set_len(bytes)).and_then(|()| fs::create_dir_all(at));
        made.map_err(ServerError::system(format!("make {}", file.display())))?;
        let mut format = Command::new("mkfs.ext4");
        format.args(["-q", "-F"]).arg(file);
        succeeds(format)?;
        let mut mount = self.enter("mount");
        mount.args(["-o", "loop"]).arg(file).arg(at);
        succeeds(mount)
    }

    /// The machine's own name, which is also that of its end of the network outside and of its control group.
    pub(super) fn name(&self) -> String {
        format!("nbm{}", self.number)
    }

    /// The address of this machine, as the other one sees it.
    pub(super) fn outside(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, 1)
    }

    /// The address of the other machine.
    pub(super) fn inside(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, 2)
    }

    /// Its first process, by its number here.
    fn first(&self) -> Option<u32> {
        self.init.children().first().copied().map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.init.kill();
        // Whoever made the control groups was killed.
        for folder in control_groups(&self.name()) {
            remove_empty(&folder);
        }
    }
}

/// Whether the first process has mounted `/proc` and begun: until then it is still `unshare`.
fn has_own_proc(first: u32) -> bool {
    fs::read_to_string(format!("/proc/{first}/comm")).is_ok_and(|name| name.trim() == "sh")
}

/// A number that no other machine has, as long as the file is open.
fn take_number() -> Result<(u8, File), ServerError> {
    let folder = std::env::temp_dir().join("netbuild-servers-machines");
    fs::create_dir_all(&folder).map_err(ServerError::system(format!("make {}", folder.display())))?;
    for number in 1..=COUNT {
        let path = folder.join(number.to_string());
        let Ok(lock) = File::options().create(true).truncate(false).write(true).open(&path) else { continue };
        if lock.try_lock().is_ok() {
            return Ok((number, lock));
        }
    }
    Err(ServerError::System { doing: "find a free network".to_owned(), source: io::ErrorKind::AddrInUse.into() })
}

/// Runs a command to its end.
fn succeeds(mut command: Command) -> Result<(), ServerError> {
    let doing = format!("run {command:?}");
    let output = command.stdin(Stdio::null()).output().map_err(ServerError::system(doing.clone()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ServerError::System { doing, source: io::Error::other(said) })
}

/// The control groups of a name, in the one hierarchy of version 2 or in each of version 1.
fn control_groups(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    hierarchies.chain([root.to_owned()]).map(|folder| folder.join(name)).filter(|folder| folder.is_dir()).collect()
}

/// Removes a control group with those in it. The files in there are the kernel's.
fn remove_empty(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty(&entry.path());
        }
    }
    // One that is left behind is empty and harmless.
    let _removed = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_to_one_at_a_time() {
        let (first, _lock) = take_number().unwrap();
        let (second, _other) = take_number().unwrap();
        assert_ne!(first, second);
    }
}
