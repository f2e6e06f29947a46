//! The daemon of a Docker host.

use std::fs;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::machine::Machine;
use crate::ServerError;
use crate::process::Process;
use crate::program::find;

const PROGRAM: &str = "dockerd";
const PACKAGE: &str = "docker.io";

/// How a Docker host is made.
#[derive(Clone, Debug, Default)]
pub struct DockerOptions {
    /// The daemon lets containers run on when it ends.
    pub live_restore: bool,
    /// A disk of so many bytes for images and containers; `None`: the disk of the folder.
    pub image_disk_bytes: Option<u64>,
    /// A disk of so many bytes for volumes; `None`: the disk of the images.
    pub volume_disk_bytes: Option<u64>,
    /// More arguments of `dockerd`.
    pub arguments: Vec<String>,
}

/// A machine with a Docker daemon. Its processes, mounts and network are its own, so that several are side by side and
/// none leaves anything behind. Needs root.
#[derive(Debug)]
pub struct DockerDaemon {
    folder: PathBuf,
    options: DockerOptions,
    // The daemon ends before its machine does.
    process: Option<Process>,
    machine: Option<Machine>,
}

impl DockerDaemon {
    /// Starts a host with all that it keeps in `folder`, which is made if it is not there, and waits until it answers. The
    /// folder's path is short: a socket's may have 108 bytes.
    ///
    /// # Errors
    /// [`ServerError`]: it is not installed, or did not start.
    pub fn start(folder: impl AsRef<Path>, options: DockerOptions) -> Result<Self, ServerError> {
        let folder = folder.as_ref().to_owned();
        fs::create_dir_all(&folder).map_err(ServerError::system(format!("make {}", folder.display())))?;
        let machine = Machine::start(&folder)?;
        let data = folder.join("data");
        if let Some(bytes) = options.image_disk_bytes {
            machine.mount_disk(&folder.join("images.ext4"), bytes, &data)?;
        }
        if let Some(bytes) = options.volume_disk_bytes {
            let volumes = data.join("volumes");
            machine.mount_disk(&folder.join("volumes.ext4"), bytes, &volumes)?;
        }
        let mut daemon = DockerDaemon { folder, options, process: None, machine: Some(machine) };
        daemon.start_again()?;
        Ok(daemon)
    }

    /// Starts the daemon again, with the same data at the same socket, and waits until it answers. Nothing when it runs, or
    /// its machine is gone.
    ///
    /// # Errors
    /// [`ServerError::NotStarted`].
    pub fn start_again(&mut self) -> Result<(), ServerError> {
        let Some(machine) = &self.machine else { return Ok(()) };
        if self.process.is_none() {
            // The number in it may be another process's by now.
            let pid = self.folder.join("docker.pid");
            let _absent = fs::remove_file(&pid);
            let mut command = machine.enter(find(PROGRAM, PACKAGE, [PathBuf::from("/usr/sbin")])?);
            command.arg("--host").arg(format!("unix://{}", self.socket().display()));
            command.arg("--data-root").arg(self.folder.join("data")).arg("--exec-root").arg(self.folder.join("exec"));
            command.arg("--pidfile").arg(pid).arg("--cgroup-parent").arg(machine.name());
            if self.options.live_restore {
                command.arg("--live-restore");
            }
            command.args(&self.options.arguments);
            self.process = Some(Process::start(PROGRAM, command, &self.folder.join("docker.log"))?);
        }
        self.process.as_ref().map_or(Ok(()), |process| process.wait_until(|| answers(&self.socket())))
    }

    /// As `kill -9` of the daemon. Containers run on. Nothing when it does not run.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// As if somebody had pulled the machine's plug: nothing of it is left but its disks. It does not come back.
    pub fn vanish(&mut self) {
        self.process = None;
        self.machine = None;
    }

    /// Stops the daemon, as one that hangs: connections stay, nobody answers, and containers run on.
    pub fn freeze(&self) {
        self.process.iter().for_each(Process::freeze);
    }

    /// Ends a [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.process.iter().for_each(Process::thaw);
    }

    /// Runs a program on the host, to its end, whatever that is. Nothing when the host is gone.
    pub fn run(&self, program: &str, arguments: &[&str]) {
        if let Some(machine) = &self.machine {
            // Filling a disk ends with an error, as it should.
            let _ended = machine.enter(program).args(arguments).output();
        }
    }

    /// The socket that the daemon listens at.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// The address of this process's machine, as containers of the host reach it; none when the host is gone.
    pub fn gateway_address(&self) -> Option<Ipv4Addr> {
        self.machine.as_ref().map(Machine::outside)
    }

    /// The host's own address; none when it is gone.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.machine.as_ref().map(Machine::inside)
    }

    /// Where the daemon keeps images, containers and volumes, as its machine sees it.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

/// Whether a daemon answers at a socket.
fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.ends_with("OK"))
}

#[cfg(test)]
mod needs_docker {
    use super::*;

    #[test]
    fn daemons_side_by_side_hang_die_and_come_back_and_a_machine_vanishes() {
        let folder = tempfile::tempdir().unwrap();
        let start = |name| DockerDaemon::start(folder.path().join(name), DockerOptions::default()).unwrap();
        let [mut first, mut second] = ["a", "b"].map(start);
        assert_ne!(first.address(), second.address());
        first.freeze();
        assert!(!answers(&first.socket()) && answers(&second.socket()));
        first.thaw();
        while !answers(&first.socket()) {}
        first.kill();
        assert!(!answers(&first.socket()));
        first.start_again().unwrap();
        assert!(answers(&first.socket()));
        second.vanish();
        second.start_again().unwrap();
        assert!(!answers(&second.socket()) && second.address().is_none());
    }
}
