//! The phases of an attempt, in order.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netbuild_core::model::{AttemptFolder, Cause, DeployInfo, Failure, Job, RunPhase};
use netbuild_core::port::Clock;
use tokio::sync::watch;

use super::cache::{Caches, Header as CacheHeader, Places};
use super::collect::collect;
use super::command::{self, Call};
use super::environment::{Surroundings, environment};
use super::fetch::fetch;
use super::gateway_client::GatewayClient;
use super::log::Log;
use super::progress::Progress;
use super::stop::{self, Halt, Stop};
use super::upload::upload;
use super::{blocking, cookie, user};

/// The home folder of the command, in the attempt's folder.
const HOME: &str = "home";

/// Its folder for temporary files, in the attempt's folder.
const TEMPORARY: &str = "tmp";

/// The runner's own folder while it fetches over ssh, in the attempt's folder.
const PRIVATE: &str = "ssh";

/// The folder for archives of caches, in the attempt's folder.
const CACHES: &str = "caches";

/// What the phases need, and what they learn on their way.
#[derive(Debug)]
pub(super) struct Phases<'a> {
    pub(super) folder: &'a Path,
    pub(super) job: &'a Job,
    pub(super) client: &'a GatewayClient,
    pub(super) log: Arc<Log>,
    pub(super) progress: &'a Progress,
    pub(super) clock: &'a dyn Clock,
    pub(super) stop: &'a Stop,
    /// Whether the gateway has let the attempt go on once.
    pub(super) confirmed: watch::Receiver<bool>,
    /// The commit, once it is fetched.
    pub(super) commit: Option<String>,
}

impl Phases<'_> {
    /// Goes through them until one fails or the stop signal is given.
    pub(super) async fn run(&mut self) -> Result<Option<DeployInfo>, Halt> {
        let commit = self.fetch().await?;
        self.commit = Some(commit.clone());
        self.make_folders()?;
        let to_save = self.restore().await?;
        self.command(&commit).await?;
        let deploy = self.publish().await?;
        stop::after_success(self.save(to_save).await)?;
        Ok(deploy)
    }

    async fn fetch(&self) -> Result<String, Halt> {
        self.progress.begin(RunPhase::Fetch);
        let (job, work, private) = (self.job.clone(), self.work(), self.folder.join(PRIVATE));
        blocking::run(self.stop, move |stop| fetch(&job, &work, &private, stop)).await
    }

    /// Makes the folders that the command finds beside its workspace.
    fn make_folders(&self) -> Result<(), Failure> {
        make(&self.home()).and_then(|()| make(&self.temporary())).map_err(|error| {
            Failure::new(Cause::HostDisk, format!("the attempt's folder could not be written: {error}"))
        })
    }

    async fn restore(&self) -> Result<Vec<CacheHeader>, Halt> {
        if self.job.caches.is_empty() {
            return Ok(Vec::new());
        }
        self.progress.begin(RunPhase::Restore);
        self.caches().restore().await
    }

    async fn command(&mut self, commit: &str) -> Result<(), Halt> {
        let (home, temporary) = (self.home(), self.temporary());
        let cookie = cookie::of(&self.job.attempt);
        let around = Surroundings {
            path: std::env::var_os("PATH"),
            home: &home,
            temporary: &temporary,
            commit,
            cookie: &cookie,
        };
        let environment = environment(self.job, &around)?;
        // A stale attempt, whose build runs elsewhere by now, must not run the command: first an order to go on.
        if self.stop.unless_asked(self.confirmed.wait_for(|confirmed| *confirmed)).await?.is_err() {
            return Err(Halt::Stopped(self.stop.asked().await));
        }
        if let Some(user) = self.job.user {
            let folders = [self.work(), home.clone(), temporary.clone()];
            blocking::run(self.stop, move |_| user::give(folders, user)).await?;
        }
        self.progress.begin(RunPhase::Run);
        let work = self.work();
        let call =
            Call { command: &self.job.command, environment, work: &work, rules: &self.job.rules, user: self.job.user };
        command::run(call, Arc::clone(&self.log), self.stop).await
    }

    async fn publish(&self) -> Result<Option<DeployInfo>, Halt> {
        let Some(publish) = &self.job.publish else { return Ok(None) };
        self.progress.begin(RunPhase::Collect);
        let (work, publish, rules, user) = (self.work(), publish.clone(), self.job.rules.clone(), self.job.user);
        let collected = blocking::run(self.stop, move |stop| collect(&work, &publish, &rules, user, stop)).await?;

        self.progress.begin(RunPhase::Upload);
        Ok(Some(self.stop.unless_asked(upload(self.client, &collected)).await??))
    }

    async fn save(&self, caches: Vec<CacheHeader>) -> Result<(), Halt> {
        if caches.is_empty() {
            return Ok(());
        }
        self.progress.begin(RunPhase::Save);
        self.caches().save(caches).await
    }

    fn caches(&self) -> Caches<'_> {
        Caches {
            job: self.job,
            client: self.client,
            log: &self.log,
            stop: self.stop,
            clock: self.clock,
            places: Places { work: self.work(), home: self.home() },
            scratch: self.folder.join(CACHES),
        }
    }

    fn work(&self) -> PathBuf {
        self.folder.join(AttemptFolder::WORK)
    }

    fn home(&self) -> PathBuf {
        self.folder.join(HOME)
    }

    fn temporary(&self) -> PathBuf {
        self.folder.join(TEMPORARY)
    }
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)
}
