//! The static runner in a root that holds nothing but it and what a test puts beside it.
//!
//! These tests need root, a static busybox, `openssl`, and the runner that `scripts/build-runner` has built.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use netbuild_core::model::{AttemptFolder, Cause, ExitRecord, Outcome, Owner, Report};
use netbuild_runner::runner::RUNNER_ARGUMENT;
use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::bench::{Attempt, Bench, PATIENCE, deploy, evidence};
use super::git_server::GitServer;
use super::repository::Repository;

/// The runner's command line in the empty root.
const RUNNER: &str = "/netbuild-runner";

/// A root with the runner, an attempt's folder, `/dev/null` and a place for `/proc`.
struct Root {
    folder: tempfile::TempDir,
    has_proc: bool,
    environment: Vec<(&'static str, &'static str)>,
}

impl Root {
    fn new() -> Self {
        let root = Root { folder: tempfile::tempdir().unwrap(), has_proc: true, environment: Vec::new() };
        for folder in ["proc", "dev", "attempt"] {
            std::fs::create_dir(root.path(folder)).unwrap();
        }
        std::fs::copy(static_runner(), root.path("netbuild-runner")).expect("scripts/build-runner makes it");
        let null = root.path("dev/null");
        assert!(Command::new("mknod").arg(&null).args(["c", "1", "3"]).status().unwrap().success());
        std::fs::set_permissions(null, PermissionsExt::from_mode(0o666)).unwrap();
        root
    }

    /// With the statically linked shell that the command needs.
    fn with_shell() -> Self {
        let root = Self::new();
        std::fs::create_dir(root.path("bin")).unwrap();
        std::fs::copy("/bin/busybox", root.path("bin/sh")).unwrap();
        root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Runs the runner to its end.
    async fn start(&self, attempt: &Attempt) -> Output {
        let mark = std::fs::read(attempt.path(AttemptFolder::ATTEMPT)).unwrap();
        self.write(&format!("attempt/{}", AttemptFolder::ATTEMPT), mark);
        // The mount is gone with the process that has its own view of mounts.
        let mount = if self.has_proc { "mount -t proc proc \"$0/proc\" && " } else { "" };
        let enter = format!("{mount}exec chroot \"$0\" \"$@\"");
        let mut child = tokio::process::Command::new("unshare")
            .args(["--mount", "sh", "-c", &enter])
            .arg(self.folder.path())
            .args([RUNNER, RUNNER_ARGUMENT, "/attempt"])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(self.environment.iter().copied())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A runner with nothing to do does not read it.
        let _ = stdin.write_all(attempt.job.to_wire().expose_secret().as_bytes()).await;
        drop(stdin);
        tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("the runner ends").unwrap()
    }

    /// Runs the runner and gives its exit record.
    async fn run(&self, attempt: &Attempt) -> Report {
        let output = self.start(attempt).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let record = std::fs::read(self.path("attempt").join(AttemptFolder::EXIT)).unwrap();
        serde_json::from_slice::<ExitRecord>(&record).unwrap().report
    }
}

fn static_runner() -> PathBuf {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/static").join(target).join("runner/netbuild-runner")
}

fn failed(report: &Report) -> (Cause, Owner) {
    let failure = report.outcome.failure().expect("a failure");
    println!("{failure}");
    (failure.cause.clone(), failure.owner())
}

#[tokio::test]
async fn a_build_from_fetch_to_upload() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let server = GitServer::new(&repository).await;
    let command = "echo made > docs/index.html && echo built $NETBUILD_COMMIT";
    let attempt = bench.attempt(&server.url("site.git"), command).publish("docs");
    let root = Root::with_shell();
    let report = root.run(&attempt).await;
    let commit = repository.git(&["rev-parse", "HEAD"]);
    assert_eq!(report.commit.as_deref(), Some(commit.as_str()));
    let deploy = deploy(&report);
    assert_eq!((deploy.files, deploy.uploaded), (2, 2));
    let log = std::fs::read_to_string(root.path("attempt").join(AttemptFolder::LOG)).unwrap();
    assert_eq!(log, format!("built {commit}\n"));
}

#[tokio::test]
async fn an_image_without_a_shell_is_the_configurations_fault() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let server = GitServer::new(&repository).await;
    let report = Root::new().run(&bench.attempt(&server.url("site.git"), "true")).await;
    assert_eq!(failed(&report), (Cause::ImageInvalid, Owner::Config));
    assert!(evidence(&report).contains("no /bin/sh"));
}

#[tokio::test]
async fn without_proc_the_runner_refuses_by_name() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let root = Root { has_proc: false, ..Root::with_shell() };
    let report = root.run(&bench.attempt(&repository.url(), "echo > /ran")).await;
    assert_eq!(failed(&report), (Cause::RunnerBroken, Owner::Platform));
    assert!(evidence(&report).contains("no /proc here"));
    assert!(!root.path("ran").exists());
}

#[tokio::test]
async fn names_come_from_the_images_hosts_file() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let server = GitServer::new(&repository).await;
    let url = server.url("site.git").replace("127.0.0.1", "git.example");

    let unknown = Root::with_shell().run(&bench.attempt(&url, "true")).await;
    assert_eq!(failed(&unknown).0, Cause::SourceUnavailable, "no /etc/hosts, no /etc/resolv.conf: an error, no crash");

    let root = Root::with_shell();
    root.write("etc/hosts", "127.0.0.1 git.example\n");
    let known = root.run(&bench.attempt(&url, "true")).await;
    assert_eq!(known.outcome, Outcome::Succeeded { deploy: None });
}

#[tokio::test]
async fn a_private_authority_must_be_named_or_in_the_image() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let server = GitServer::new(&repository).await;
    let tls = Tls::before(&server).await;
    let attempt = || bench.attempt(&tls.url, "true");

    let unknown = Root::with_shell().run(&attempt()).await;
    assert_eq!(failed(&unknown), (Cause::SourceRefused, Owner::Config));
    assert!(evidence(&unknown).contains("no root certificate vouches for the server"));

    let mut named = Root::with_shell();
    named.write("ca.pem", &tls.authority);
    named.environment.push(("SSL_CERT_FILE", "/ca.pem"));
    assert_eq!(named.run(&attempt()).await.outcome, Outcome::Succeeded { deploy: None });

    let own = Root::with_shell();
    own.write("etc/ssl/certs/ca-certificates.crt", &tls.authority);
    assert_eq!(own.run(&attempt()).await.outcome, Outcome::Succeeded { deploy: None });
}

/// HTTPS in front of a Git server, with a certificate of its own authority.
struct Tls {
    url: String,
    authority: Vec<u8>,
    _server: JoinSet<()>,
}

impl Tls {
    async fn before(server: &GitServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str| {
            let arguments = arguments.split(' ');
            let output = Command::new("openssl").args(arguments).current_dir(folder.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        std::fs::write(folder.path().join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=netbuild-test");
        openssl("req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=git");
        openssl(
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile names",
        );
        let certificate = CertificateDer::from_pem_file(folder.path().join("cert.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.path().join("key.pem")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/site.git", listener.local_addr().unwrap());
        let behind = server.url("");
        let behind = behind.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                connections.spawn(async move {
                    // A client that does not trust the certificate goes away.
                    let Ok(mut outer) = acceptor.accept(connection).await else { return };
                    let mut inner = TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                });
            }
        });
        let authority = std::fs::read(folder.path().join("ca.pem")).unwrap();
        Tls { url, authority, _server: tasks }
    }
}
