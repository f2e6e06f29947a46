//! The fetch as a whole: which transport, then the checkout.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use netbuild_core::model::{Cause, Failure, Job, Revision, Transport};

use super::{checkout, http, local, ssh};

/// Fetches a source into `work`, which it makes, and tells the commit's id. It blocks, and ends early without sense once
/// `interrupt` is true.
///
/// `private` is a folder that only the runner may read. It is there while an `ssh` repository is fetched, and no longer.
pub(crate) fn fetch(job: &Job, work: &Path, private: &Path, interrupt: &AtomicBool) -> Result<String, Failure> {
    let (source, rules) = (&job.source, &job.rules);
    let wanted = Wanted::of(job)?;
    let repository = checkout::workspace(work, rules)?;
    let (repository, commit) = match wanted {
        Wanted::Http => http::fetch(repository, source, rules, interrupt)?,
        Wanted::Ssh => ssh::fetch(repository, job, private, interrupt)?,
        Wanted::File(path) => local::fetch(repository, &path, &source.revision)?,
    };
    checkout::checkout(&repository, commit, rules, interrupt)?;
    Ok(commit.to_string())
}

enum Wanted {
    Http,
    Ssh,
    File(PathBuf),
}

impl Wanted {
    /// Judges a source before anything is touched.
    fn of(job: &Job) -> Result<Self, Failure> {
        let (source, rules) = (&job.source, &job.rules);
        let refused = |why: &str| Err(Failure::new(Cause::SourceRefused, format!("{}: {why}", source.repository)));
        if matches!(&source.revision, Revision::Commit(id) if id.len() != 40) {
            return refused("SHA-256 repositories are not supported yet");
        }
        if job.credential.is_some() && source.repository.transport() != Transport::Ssh {
            return refused("only `ssh` repositories are fetched with a credential so far");
        }
        match (source.repository.transport(), source.repository.file_path()) {
            (Transport::Https | Transport::Http, _) => Ok(Wanted::Http),
            (Transport::File, Some(path)) if rules.allow_file => Ok(Wanted::File(PathBuf::from(path))),
            (Transport::File, _) => refused("this host does not allow `file` repositories (JobRules::allow_file)"),
            (Transport::Ssh, _) => Ok(Wanted::Ssh),
            _ => refused("the runner does not speak this transport; use an https URL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::{JobRules, RepositoryUrl, Source};

    use super::*;
    use crate::runner::samples;

    fn judged(url: &str, revision: &str, allow_file: bool) -> Result<(), Cause> {
        let source =
            Source { repository: RepositoryUrl::parse(url).unwrap(), revision: Revision::parse(revision).unwrap() };
        let rules = JobRules { allow_file, ..JobRules::default() };
        let job = Job { source, rules, ..samples::job() };
        Wanted::of(&job).map(|_| ()).map_err(|failure| failure.cause)
    }

    #[test]
    fn transports_are_refused_by_rule() {
        assert_eq!(judged("https://git.example/r", "main", false), Ok(()));
        assert_eq!(judged("http://git.example/r", "main", false), Ok(()));
        assert_eq!(judged("file:///srv/r", "main", true), Ok(()));
        assert_eq!(judged("file:///srv/r", "main", false), Err(Cause::SourceRefused));
        assert_eq!(judged("ssh://git@git.example/r", "main", false), Ok(()));
        assert_eq!(judged("https://git.example/r", &"a".repeat(64), true), Err(Cause::SourceRefused));
    }
}
