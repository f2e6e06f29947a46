//! RabbitMQ.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::ServerError;
use crate::port::Port;
use crate::process::{Process, connects};
use crate::program::{command, find, hand_over};

const PROGRAM: &str = "rabbitmq-server";
const PACKAGE: &str = "rabbitmq-server";

/// A RabbitMQ node of its own with its data in a folder. Its one user is `guest`, with a password.
///
/// It finds itself by an `epmd` of its own, in the foreground and on a port of its own, so none is left behind. `settings` of
/// [`start_with`](Self::start_with) are lines of `rabbitmq.conf`.
#[derive(Debug)]
pub struct RabbitmqServer {
    folder: PathBuf,
    port: Port,
    distribution: Port,
    names: Port,
    settings: Vec<(String, String)>,
    // In this order: the node is killed before what it is known to.
    node: Option<Process>,
    epmd: Option<Process>,
}

impl RabbitmqServer {
    /// The password of the user `guest`.
    pub const PASSWORD: &'static str = "canary-rabbitmq-password";

    /// Starts a node with its data in `folder`, which is made if it is not there, and waits until it answers.
    ///
    /// # Errors
    /// [`ServerError`]: it is not installed, or did not start.
    pub fn start(folder: impl AsRef<Path>) -> Result<Self, ServerError> {
        Self::start_with(folder, &[])
    }

    /// As [`start`](Self::start), with settings as `rabbitmq.conf` has them.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(folder: impl AsRef<Path>, settings: &[(&str, &str)]) -> Result<Self, ServerError> {
        let folder = folder.as_ref().to_owned();
        fs::create_dir_all(&folder).map_err(ServerError::system(format!("make {}", folder.display())))?;
        hand_over(&folder)?;
        let (port, distribution, names) = (Port::take()?, Port::take()?, Port::take()?);
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut server = RabbitmqServer { folder, port, distribution, names, settings, node: None, epmd: None };
        server.write_settings()?;
        server.start_again()?;
        Ok(server)
    }

    fn write_settings(&self) -> Result<(), ServerError> {
        let mut text = format!(
            "listeners.tcp.1 = {}\ndefault_pass = {}\nraft.wal_max_size_bytes = 64000000\n",
            self.addr(),
            Self::PASSWORD
        );
        for (name, value) in &self.settings {
            text.push_str(&format!("{name} = {value}\n"));
        }
        for (name, text) in [("rabbitmq.conf", text.as_str()), ("plugins", "[].")] {
            let path = self.folder.join(name);
            fs::write(&path, text).map_err(ServerError::system(format!("write {}", path.display())))?;
        }
        Ok(())
    }

    /// A program of RabbitMQ, which finds this node and nothing of the machine's own.
    fn command(&self, program: &'static str) -> Result<Command, ServerError> {
        // Before `PATH`: there the package has wrappers, which change the user and the folder.
        let folder = PathBuf::from("/usr/lib/rabbitmq/bin");
        let path = if folder.join(program).is_file() { folder.join(program) } else { find(program, PACKAGE, [])? };
        let mut command = command(path, true);
        let at = |name: &str| self.folder.join(name);
        command.current_dir(&self.folder);
        command.env("HOME", &self.folder).env("LC_ALL", "C.UTF-8");
        command.env("ERL_EPMD_PORT", self.names.number().to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        command.env("RABBITMQ_NODENAME", "netbuild@localhost").env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        command.env("RABBITMQ_DIST_PORT", self.distribution.number().to_string());
        command.env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")).env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"));
        command.env("RABBITMQ_MNESIA_BASE", at("data")).env("RABBITMQ_LOG_BASE", at("log")).env("RABBITMQ_LOGS", "-");
        command.env("RABBITMQ_GENERATED_CONFIG_DIR", at("config"));
        // Few threads, which sleep when they have nothing to do, and ports on the loopback alone.
        let erlang = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}";
        command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", erlang);
        // The script becomes the node instead of staying as its parent.
        command.env("RUNNING_UNDER_SYSTEMD", "true").env_remove("NOTIFY_SOCKET");
        Ok(command)
    }

    /// Starts the node again, with the same data on the same port, and waits until it answers. Nothing when it runs.
    ///
    /// # Errors
    /// [`ServerError::NotStarted`].
    pub fn start_again(&mut self) -> Result<(), ServerError> {
        if self.node.is_some() {
            return Ok(());
        }
        let log = self.folder.join("rabbitmq.log");
        if self.epmd.is_none() {
            let names = self.names.number().to_string();
            let mut epmd = command(find("epmd", PACKAGE, [])?, true);
            epmd.args(["-address", "127.0.0.1", "-port", &names]);
            let epmd = Process::start("epmd", epmd, &log)?;
            epmd.wait_until(|| connects(self.names.addr()))?;
            self.epmd = Some(epmd);
        }
        let node = Process::start(PROGRAM, self.command(PROGRAM)?, &log)?;
        node.wait_until(|| greets(self.addr()))?;
        self.node = Some(node);
        Ok(())
    }

    /// Runs a command of `rabbitmqctl` at this node, as `["set_vm_memory_high_watermark", "0"]`.
    ///
    /// # Errors
    /// [`ServerError`]: it is not installed, or failed.
    pub fn control(&self, arguments: &[&str]) -> Result<String, ServerError> {
        let mut control = self.command("rabbitmqctl")?;
        let Output { status, stdout, stderr } =
            control.args(arguments).output().map_err(ServerError::system("run rabbitmqctl"))?;
        if status.success() {
            return Ok(String::from_utf8_lossy(&stdout).into_owned());
        }
        let tail = String::from_utf8_lossy(&stderr).into_owned();
        let (log, reason) = (self.folder.join("rabbitmq.log"), format!("{arguments:?} ended with {status}"));
        Err(ServerError::NotStarted { program: "rabbitmqctl", reason, log, tail })
    }

    /// As `kill -9` of the node and all that it started. Nothing when it does not run.
    pub fn kill(&mut self) {
        self.node = None;
    }

    /// Stops the node, as a machine that hangs.
    pub fn freeze(&self) {
        self.node.iter().for_each(Process::freeze);
    }

    /// Ends a [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.node.iter().for_each(Process::thaw);
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The id of the node's process; none when it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.node.as_ref().map(Process::pid)
    }

    /// How a client connects, with the password.
    pub fn url(&self) -> String {
        Self::url_at(self.addr())
    }

    /// How a client connects to such a node at `addr`, where a proxy may listen.
    pub fn url_at(addr: SocketAddr) -> String {
        format!("amqp://guest:{}@{addr}/%2f", Self::PASSWORD)
    }
}

/// Whether a node takes clients: it answers the protocol's header with its first method.
fn greets(addr: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(500)) else { return false };
    let mut first = [0; 8];
    stream.set_read_timeout(Some(Duration::from_millis(500))).is_ok()
        && stream.write_all(b"AMQP\0\0\x09\x01").is_ok()
        && stream.read_exact(&mut first).is_ok()
        && first[0] == 1
}

#[cfg(test)]
mod needs_rabbitmq {
    use super::*;

    #[test]
    fn a_node_is_frozen_killed_and_started_again_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = RabbitmqServer::start(folder.path().join("server")).unwrap();
        let (addr, names, pid) = (server.addr(), server.names.addr(), server.pid().unwrap());
        assert!(greets(addr));
        assert!(server.control(&["list_users"]).unwrap().contains("guest"));
        server.freeze();
        assert!(!greets(addr));
        server.thaw();
        while !greets(addr) {}
        server.kill();
        assert!(!greets(addr) && !Path::new(&format!("/proc/{pid}")).exists());
        server.start_again().unwrap();
        assert!(greets(addr) && server.addr() == addr);
        drop(server);
        assert!(!connects(addr) && !connects(names), "neither the node nor its epmd is left");
    }
}
