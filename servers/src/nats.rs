//! NATS with JetStream: a single server, and a cluster of three.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ServerError;
use crate::port::Port;
use crate::process::Process;
use crate::program::{command, find};

const PROGRAM: &str = "nats-server";

/// A NATS server with JetStream, its data in a folder. Anybody may connect.
#[derive(Debug)]
pub struct NatsServer {
    folder: PathBuf,
    client: Port,
    monitor: Port,
    process: Option<Process>,
}

impl NatsServer {
    /// The JetStream setting with which nothing is confirmed before it is on disk.
    pub const SYNCED: &'static str = "sync_interval: always";

    /// Starts a server that syncs before it confirms, with its data in `folder`, which is made if it is not there, and
    /// waits until it answers.
    ///
    /// # Errors
    /// [`ServerError`]: it is not installed, or did not start.
    pub fn start(folder: impl AsRef<Path>) -> Result<Self, ServerError> {
        Self::start_with(folder, Self::SYNCED, "")
    }

    /// As [`start`](Self::start), with settings of JetStream and others as the server's configuration file has them.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(folder: impl AsRef<Path>, jetstream: &str, others: &str) -> Result<Self, ServerError> {
        let mut server = NatsServer {
            folder: folder.as_ref().to_owned(),
            client: Port::take()?,
            monitor: Port::take()?,
            process: None,
        };
        server.configure(jetstream, others)?;
        server.start_again()?;
        Ok(server)
    }

    fn configure(&self, jetstream: &str, others: &str) -> Result<(), ServerError> {
        fs::create_dir_all(&self.folder).map_err(ServerError::system(format!("make {}", self.folder.display())))?;
        let (client, monitor) = (self.client.addr(), self.monitor.addr());
        let store = self.folder.join("data");
        let text = format!(
            "listen: \"{client}\"\nhttp: \"{monitor}\"\njetstream {{\n  store_dir: {store:?}\n  {jetstream}\n}}\n{others}\n"
        );
        let config = self.config();
        fs::write(&config, text).map_err(ServerError::system(format!("write {}", config.display())))
    }

    fn config(&self) -> PathBuf {
        self.folder.join("nats.conf")
    }

    /// Starts the server again, with the same data on the same port, and waits until it answers. Nothing when it runs.
    ///
    /// # Errors
    /// [`ServerError::NotStarted`].
    pub fn start_again(&mut self) -> Result<(), ServerError> {
        if self.process.is_none() {
            self.spawn()?;
        }
        self.wait()
    }

    fn spawn(&mut self) -> Result<(), ServerError> {
        let mut command = command(program()?, false);
        command.arg("--config").arg(self.config());
        self.process = Some(Process::start(PROGRAM, command, &self.folder.join("nats.log"))?);
        Ok(())
    }

    fn wait(&self) -> Result<(), ServerError> {
        self.process.as_ref().map_or(Ok(()), |process| process.wait_until(|| greets(self.addr())))
    }

    /// As `kill -9`. Nothing when it does not run.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Stops it, as a machine that hangs: connections stay, and nobody answers.
    pub fn freeze(&self) {
        self.process.iter().for_each(Process::freeze);
    }

    /// Ends a [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.process.iter().for_each(Process::thaw);
    }

    /// Where it listens for clients.
    pub fn addr(&self) -> SocketAddr {
        self.client.addr()
    }

    /// Where it listens for monitoring, by HTTP.
    pub fn monitor(&self) -> SocketAddr {
        self.monitor.addr()
    }

    /// The id of its process; none when it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// How a client connects.
    pub fn url(&self) -> String {
        format!("nats://{}", self.addr())
    }
}

/// Three NATS servers in a cluster, `node-0` to `node-2`.
#[derive(Debug)]
pub struct NatsCluster {
    /// The servers.
    pub nodes: [NatsServer; 3],
}

impl NatsCluster {
    /// Starts the servers, and waits until each answers; they may not have found each other yet.
    ///
    /// Node `from` reaches node `to`, which listens at `addr`, through what `way(from, to, addr)` gives, and in no other
    /// way: there a test can break the cluster.
    ///
    /// # Errors
    /// As [`NatsServer::start`].
    pub fn start(
        folder: impl AsRef<Path>,
        mut way: impl FnMut(usize, usize, SocketAddr) -> SocketAddr,
    ) -> Result<Self, ServerError> {
        let routes = [Port::take()?, Port::take()?, Port::take()?];
        let mut node = |own: usize| {
            let others = (0..3).filter(|other| *other != own);
            let urls: Vec<String> =
                others.map(|other| format!("\"nats-route://{}\"", way(own, other, routes[other].addr()))).collect();
            // Nodes tell each other where they listen: a port that nobody connects to keeps the ways as they are.
            let cluster = format!(
                "server_name: node-{own}\ncluster {{\n  name: tests\n  listen: \"{}\"\n  advertise: \"127.0.0.1:1\"\n  \
                 no_advertise: true\n  routes: [{}]\n}}",
                routes[own].addr(),
                urls.join(", ")
            );
            let folder = folder.as_ref().join(format!("node-{own}"));
            let server = NatsServer { folder, client: Port::take()?, monitor: Port::take()?, process: None };
            server.configure(NatsServer::SYNCED, &cluster)?;
            Ok::<_, ServerError>(server)
        };
        let mut nodes = [node(0)?, node(1)?, node(2)?];
        nodes.iter_mut().try_for_each(NatsServer::spawn)?;
        nodes.iter().try_for_each(NatsServer::wait)?;
        Ok(NatsCluster { nodes })
    }
}

/// What `scripts/nats-server` unpacked, which it does when the machine's own is too old; else the machine's own.
fn program() -> Result<PathBuf, ServerError> {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/nats-server/usr/sbin/nats-server");
    if unpacked.is_file() { Ok(unpacked) } else { find(PROGRAM, PROGRAM, []) }
}

/// Whether a server greets at `addr`, JetStream and all.
fn greets(addr: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_secs(1)) else { return false };
    let mut line = String::new();
    let heard = stream.set_read_timeout(Some(Duration::from_secs(1)));
    heard.and_then(|()| BufReader::new(stream).read_line(&mut line)).is_ok() && line.contains("\"jetstream\":true")
}

#[cfg(test)]
mod needs_nats {
    use super::*;

    #[test]
    fn a_server_is_frozen_killed_and_started_again_at_its_port() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = NatsServer::start(folder.path()).unwrap();
        let (addr, pid) = (server.addr(), server.pid().unwrap());
        while !greets(addr) {}
        server.freeze();
        assert!(!greets(addr));
        server.thaw();
        while !greets(addr) {}
        server.kill();
        assert!(!greets(addr) && !Path::new(&format!("/proc/{pid}")).exists());
        server.start_again().unwrap();
        assert!(server.addr() == addr && server.pid() != Some(pid));
        // On a busy machine a greeting may come late.
        while !greets(addr) {}
    }
}
