//! Repositories to fetch from, made with the `git` program.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository with a work tree, in a temporary folder.
pub(crate) struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    /// A repository on branch `main` with one commit: `index.md`, an executable `build.sh` and a link.
    pub(crate) fn new() -> Self {
        let repository = Repository { folder: tempfile::tempdir().unwrap() };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.write("index.md", "one");
        repository.write("docs/build.sh", "#!/bin/sh\necho built\n");
        let script = repository.path().join("docs/build.sh");
        std::fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("index.md", repository.path().join("link")).unwrap();
        repository.commit("one");
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that a server shows as a bare repository.
    pub(crate) fn git_dir(&self) -> PathBuf {
        self.path().join(".git")
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits everything and gives the commit's id.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs `git` and gives what it prints.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = git().args(arguments).current_dir(self.path()).output().expect("these tests need `git`");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// A `git` that sees no configuration of this machine.
pub(crate) fn git() -> Command {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Ada").env(format!("GIT_{role}_EMAIL"), "ada@git.example");
    }
    command
}
