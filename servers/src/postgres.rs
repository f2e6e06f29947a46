//! PostgreSQL.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ServerError;
use crate::port::Port;
use crate::process::{Process, connects};
use crate::program::{command, find, hand_over};

const PACKAGE: &str = "postgresql";

/// A PostgreSQL server with its data in a folder. Its one role is `postgres`, with a password that connections over TCP
/// must give, and its database is `postgres`.
///
/// It runs as the distribution has it set: commits are on disk before they are answered. `settings` of
/// [`start_with`](Self::start_with) change that.
#[derive(Debug)]
pub struct PostgresServer {
    folder: PathBuf,
    port: Port,
    settings: Vec<(String, String)>,
    process: Option<Process>,
}

impl PostgresServer {
    /// The password of the role `postgres`.
    pub const PASSWORD: &'static str = "canary-postgres-password";

    /// Starts a server with its data in `folder`, which is made if it is not there, and waits until it answers.
    ///
    /// # Errors
    /// [`ServerError`]: it is not installed, or did not start.
    pub fn start(folder: impl AsRef<Path>) -> Result<Self, ServerError> {
        Self::start_with(folder, &[])
    }

    /// As [`start`](Self::start), with settings as `postgresql.conf` has them.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(folder: impl AsRef<Path>, settings: &[(&str, &str)]) -> Result<Self, ServerError> {
        let folder = folder.as_ref().to_owned();
        fs::create_dir_all(&folder).map_err(ServerError::system(format!("make {}", folder.display())))?;
        hand_over(&folder)?;
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut server = PostgresServer { folder, port: Port::take()?, settings, process: None };
        if !server.data().exists() {
            server.make_data()?;
        }
        server.start_again()?;
        Ok(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn make_data(&self) -> Result<(), ServerError> {
        let password = self.folder.join("password");
        fs::write(&password, Self::PASSWORD).map_err(ServerError::system(format!("write {}", password.display())))?;
        hand_over(&password)?;
        let mut initdb = self.command("initdb")?;
        initdb.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        initdb.arg("--pwfile").arg(&password).arg("--pgdata").arg(self.data());
        let made = initdb.output().map_err(ServerError::system("run initdb"))?;
        if made.status.success() {
            return Ok(());
        }
        let tail = String::from_utf8_lossy(&made.stderr).into_owned();
        let reason = format!("initdb ended with {}", made.status);
        Err(ServerError::NotStarted { program: "initdb", reason, log: self.log(), tail })
    }

    fn log(&self) -> PathBuf {
        self.folder.join("postgres.log")
    }

    /// A program of PostgreSQL, run in the server's folder.
    fn command(&self, program: &'static str) -> Result<Command, ServerError> {
        let mut command = command(find(program, PACKAGE, folders())?, true);
        command.current_dir(&self.folder).env("LC_ALL", "C");
        Ok(command)
    }

    /// Starts the server again, with the same data on the same port, and waits until it answers. Nothing when it runs.
    ///
    /// # Errors
    /// [`ServerError::NotStarted`].
    pub fn start_again(&mut self) -> Result<(), ServerError> {
        if self.process.is_some() {
            return Ok(());
        }
        let mut command = self.command("postgres")?;
        command.arg("-D").arg(self.data());
        command.args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=100",
        ]);
        command.arg("-c").arg(format!("port={}", self.port.number()));
        for (name, value) in &self.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let process = Process::start("postgres", command, &self.log())?;
        // While it recovers it takes connections and turns them away; the file says when it is done with that.
        let ready = || {
            let state = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            let mut lines = state.lines();
            let own = lines.next().is_some_and(|pid| pid.trim() == process.pid().to_string());
            own && lines.any(|line| line.trim() == "ready") && connects(self.addr())
        };
        process.wait_until(ready)?;
        self.process = Some(process);
        Ok(())
    }

    /// As `kill -9` of all its processes at once. Nothing when it does not run.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Stops all its processes, as a machine that hangs.
    pub fn freeze(&self) {
        self.process.iter().for_each(Process::freeze);
    }

    /// Ends a [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.process.iter().for_each(Process::thaw);
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The id of its first process; none when it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// How a client connects, with the password.
    pub fn url(&self) -> String {
        Self::url_at(self.addr())
    }

    /// How a client connects to such a server at `addr`, where a proxy may listen.
    pub fn url_at(addr: SocketAddr) -> String {
        format!("postgres://postgres:{}@{addr}/postgres", Self::PASSWORD)
    }
}

/// Debian keeps the server's programs out of `PATH`; the newest version first.
fn folders() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod needs_postgres {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    /// Asks for TLS, which every PostgreSQL answers with one byte.
    fn answers(addr: SocketAddr) -> bool {
        let Ok(mut stream) = TcpStream::connect(addr) else { return false };
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        stream.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).unwrap();
        stream.read_exact(&mut [0]).is_ok()
    }

    #[test]
    fn a_server_is_frozen_killed_and_started_again_at_its_port() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = PostgresServer::start(folder.path().join("server")).unwrap();
        let (addr, pid) = (server.addr(), server.pid().unwrap());
        assert!(answers(addr));
        server.freeze();
        assert!(!answers(addr));
        server.thaw();
        while !answers(addr) {}
        server.kill();
        assert!(!answers(addr) && !Path::new(&format!("/proc/{pid}")).exists());
        server.start_again().unwrap();
        assert!(answers(addr) && server.addr() == addr);
    }
}
