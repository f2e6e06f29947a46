//! What restoring and saving have in common.

use std::fmt::Display;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use netbuild_core::model::{CacheName, CachePlace, Job};
use netbuild_core::port::Clock;

use crate::runner::gateway_client::GatewayClient;
use crate::runner::log::Log;
use crate::runner::stop::Stop;

/// How often to make a request: a build does without its caches sooner than it waits for them.
pub(super) const TRIES: u32 = 3;

/// The caches of an attempt.
#[derive(Debug)]
pub(in crate::runner) struct Caches<'a> {
    pub(in crate::runner) job: &'a Job,
    pub(in crate::runner) client: &'a GatewayClient,
    pub(in crate::runner) log: &'a Log,
    pub(in crate::runner) stop: &'a Stop,
    pub(in crate::runner) clock: &'a dyn Clock,
    pub(in crate::runner) places: Places,
    /// A folder for archives, beside the places on the same file system. It does not exist but while it is needed.
    pub(in crate::runner) scratch: PathBuf,
}

/// What the folders of a cache are relative to.
#[derive(Clone, Debug)]
pub(in crate::runner) struct Places {
    pub(in crate::runner) work: PathBuf,
    pub(in crate::runner) home: PathBuf,
}

impl Places {
    pub(super) fn of(&self, place: CachePlace) -> &Path {
        match place {
            CachePlace::Work => &self.work,
            CachePlace::Home => &self.home,
        }
    }
}

impl Caches<'_> {
    pub(super) fn make_scratch(&self) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(&self.scratch)
    }

    /// The archive, while it is downloaded or packed.
    pub(super) fn archive(&self) -> PathBuf {
        self.scratch.join("archive")
    }

    /// The folder for what is unpacked.
    pub(super) fn unpacked(&self) -> PathBuf {
        self.scratch.join("unpacked")
    }

    /// Removes what is left of a cache beside its places.
    pub(super) async fn sweep(&self) {
        let scratch = self.scratch.clone();
        // What cannot be removed goes with the attempt's folder.
        let _left = tokio::task::spawn_blocking(move || fs::remove_dir_all(scratch)).await;
    }

    /// Says in the log what became of a cache. When the log cannot be written, the command's first line is what fails.
    pub(super) fn say(&self, name: &CacheName, became: &impl Display) {
        let _unsaid = self.log.say(&format!("cache {name}: {became}"));
    }
}
