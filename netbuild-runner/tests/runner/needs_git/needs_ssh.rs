//! Sources over ssh, from a real server. `scripts/test` skips this module where there is no OpenSSH.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use netbuild_core::model::{Cause, Outcome};

use super::bench::{Attempt, Bench, cause, evidence, until};
use super::repository::Repository;

/// A server of this user's own on a port of this machine, killed when it is dropped.
struct SshServer {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl SshServer {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for key in ["host", "user", "stranger"] {
            keygen(&folder.path().join(key));
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let git = Command::new("git").arg("--exec-path").output().unwrap().stdout;
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nAcceptEnv GIT_PROTOCOL\n\
             SetEnv PATH={}:/usr/local/bin:/usr/bin:/bin\n",
            at("host"),
            at("user.pub"),
            String::from_utf8(git).unwrap().trim(),
        );
        std::fs::write(at("config"), config).unwrap();
        // Root's server wants it; another user's does not.
        let _ = std::fs::create_dir_all("/run/sshd");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &at("config")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the ssh server", || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        SshServer { child, folder, port }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// An attempt with a key, which knows the server.
    fn attempt(&self, bench: &Bench, path: &Path, key: &str, command: &str) -> Attempt {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap();
        let url = format!("ssh://{}@127.0.0.1:{}{}", user.trim(), self.port, path.display());
        let known = format!("[127.0.0.1]:{} {}", self.port, self.read("host.pub"));
        let mut attempt = bench.attempt(&url, command).rules(|rules| rules.ssh_known_hosts = Some(known));
        attempt.job.credential = Some(self.read(key).into());
        attempt
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap();
    assert!(made.success());
}

/// Whether a file below `folder` holds `text`.
fn holds(folder: PathBuf, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_symlink() {
            false
        } else if path.is_dir() {
            holds(path, text)
        } else {
            String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(text)
        }
    })
}

#[tokio::test]
async fn a_source_comes_over_ssh_and_the_key_is_gone_before_the_command() {
    let (bench, server, repository) = (Bench::new().await, SshServer::new().await, Repository::new());
    let command = "cat index.md; if [ -e ../ssh ]; then echo the key is there; fi; env";
    let attempt = server.attempt(&bench, repository.path(), "user", command).with_program("ssh");
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None });
    assert_eq!(report.commit, Some(repository.git(&["rev-parse", "HEAD"])));
    assert!(attempt.log().starts_with("one"), "{}", attempt.log());
    assert!(!attempt.log().contains("the key is there"));
    let key = server.read("user");
    assert!(!holds(attempt.path(""), key.lines().nth(2).unwrap()), "the key stayed in a file");
}

#[tokio::test]
async fn each_refusal_over_ssh_has_its_owner_and_leaves_no_key() {
    let (bench, server, repository) = (Bench::new().await, SshServer::new().await, Repository::new());
    let path = repository.path();
    let fine = || server.attempt(&bench, path, "user", "true");
    let unknown = |rules: &mut netbuild_core::model::JobRules| rules.ssh_known_hosts = Some(String::new());
    let another = format!("[127.0.0.1]:{} {}", server.port, server.read("stranger.pub"));
    let nowhere = server.attempt(&bench, Path::new("/nonexistent/it's"), "user", "true");
    let table = [
        (server.attempt(&bench, path, "stranger", "true").with_program("ssh"), Cause::SourceDenied, "denied"),
        (fine().rules(unknown).with_program("ssh"), Cause::SourceRefused, "ssh_known_hosts"),
        (
            fine().rules(|rules| rules.ssh_known_hosts = Some(another)).with_program("ssh"),
            Cause::SourceRefused,
            "CHANGED",
        ),
        (nowhere.with_program("ssh"), Cause::SourceNotFound, "no repository"),
        (fine().revision("nothing").with_program("ssh"), Cause::SourceNotFound, "nothing"),
        (fine().rules(|rules| rules.source_bytes = 0).with_program("ssh"), Cause::SourceRefused, "source_bytes"),
        (fine(), Cause::SourceRefused, "no `ssh` program"),
    ];
    for (attempt, expected, part) in table {
        let report = attempt.run().await;
        assert_eq!(cause(&report), expected, "{}", evidence(&report));
        assert!(evidence(&report).contains(part), "{}", evidence(&report));
        assert!(!attempt.path("ssh").exists(), "{part}");
        assert!(!attempt.work("index.md").exists(), "{part}");
    }
}
