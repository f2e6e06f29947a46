//! What the `ssh` program is given in files: there while it runs, and no longer.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use netbuild_core::model::Job;
use secrecy::ExposeSecret;

/// The key's file.
pub(super) const KEY: &str = "key";

/// The known hosts' file.
pub(super) const KNOWN_HOSTS: &str = "known_hosts";

/// A folder that only the runner's user may enter, removed when it is dropped.
#[derive(Debug)]
pub(super) struct SshFolder(PathBuf);

impl SshFolder {
    /// Makes it, with what the job has of a key and of known hosts.
    pub(super) fn new(path: &Path, job: &Job) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(path)?;
        let folder = SshFolder(path.to_owned());
        if let Some(key) = &job.credential {
            // OpenSSH reads no key whose last line has no end, and stores of secrets like to trim.
            folder.write(KEY, &[key.expose_secret().trim_end(), "\n"])?;
        }
        if let Some(hosts) = &job.rules.ssh_known_hosts {
            folder.write(KNOWN_HOSTS, &[hosts, "\n"])?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it.
    pub(super) fn remove(self) -> io::Result<()> {
        std::fs::remove_dir_all(&self.0)
    }

    fn write(&self, name: &str, parts: &[&str]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.0.join(name))?;
        parts.iter().try_for_each(|part| file.write_all(part.as_bytes()))
    }
}

impl Drop for SshFolder {
    fn drop(&mut self) {
        // After `remove` there is none.
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}
