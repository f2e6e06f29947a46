//! From the command line to the builds that it asks for.

use netbuild_core::model::{
    Build, BuildId, BuildSpec, DeployContext, InvalidPath, InvalidSource, Limits, Priority, PublishPath, RepositoryUrl,
    SecretRef, Source, Timestamp, Trust,
};
use netbuild_examples::site::{self, Site};

use crate::args::{Args, Request};

/// A build and what people call it in the progress.
#[derive(Debug)]
pub(crate) struct Titled {
    pub(crate) title: String,
    pub(crate) build: Build,
}

/// The builds of both commits of the demo site, the older first.
///
/// # Errors
/// [`DemoError`] when the path of the site's repository cannot be a URL.
pub(crate) fn demo(
    args: &Args,
    site: &Site,
    now: Timestamp,
    mut id: impl FnMut() -> BuildId,
) -> Result<Vec<Titled>, DemoError> {
    let repository = RepositoryUrl::from_path(&site.path().to_string_lossy())?;
    let publish = PublishPath::parse(site::PUBLISH)?;
    let titled = |(revision, title): (_, &str)| {
        let spec = spec(args, site::COMMAND.to_owned(), Some(publish.clone()));
        let source = Source { repository: repository.clone(), revision };
        Titled { title: title.to_owned(), build: build(args, id(), source, spec, now) }
    };
    Ok(site.revisions().into_iter().zip(["first commit", "second commit"]).map(titled).collect())
}

/// Why the demo's builds could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// The folder's path cannot be a URL.
    #[error("the folder cannot hold the site: choose another one with --state")]
    Path(#[from] InvalidSource),
    /// The site's publish folder is no publish path.
    #[error("the publish folder of the site cannot be published")]
    Publish(#[from] InvalidPath),
}

/// The build of a revision of somebody's repository.
pub(crate) fn requested(args: &Args, request: &Request, id: BuildId, now: Timestamp) -> Titled {
    let spec = BuildSpec {
        env: request.env.clone(),
        secrets: request.secrets.keys().map(|name| (name.clone(), SecretRef(name.clone()))).collect(),
        ..spec(args, request.command.clone(), request.publish.clone())
    };
    let source = Source { repository: request.repository.clone(), revision: request.revision.clone() };
    Titled { title: request.revision.to_string(), build: build(args, id, source, spec, now) }
}

fn spec(args: &Args, command: String, publish: Option<PublishPath>) -> BuildSpec {
    let default = Limits::default();
    let limits = Limits { run: args.timeout.unwrap_or(default.run), ..default };
    BuildSpec { publish, limits, ..BuildSpec::new(command) }
}

fn build(args: &Args, id: BuildId, source: Source, spec: BuildSpec, now: Timestamp) -> Build {
    Build {
        id,
        account: args.account.clone(),
        project: args.project.clone(),
        source,
        context: DeployContext::Production,
        spec,
        priority: Priority::default(),
        trust: Trust::Trusted,
        created_at: now,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::args::Work;

    #[test]
    fn the_demo_builds_both_commits_in_order_with_ids_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::create(folder.path()).unwrap();
        let args = Args::parse_from(["quickstart", "--timeout", "60"], |_| None).unwrap();
        let now = Timestamp::from_millis(5);
        let builds = demo(&args, &site, now, BuildId::generate).unwrap();
        let revisions: Vec<_> = builds.iter().map(|titled| titled.build.source.revision.clone()).collect();
        assert_eq!(revisions, site.revisions());
        assert!(builds[0].build.id != builds[1].build.id);
        assert_eq!(builds[0].build.spec.limits.run, Duration::from_secs(60));
        assert_eq!(builds[0].build.source.repository.file_path().as_deref(), site.path().to_str());
    }

    #[test]
    fn a_requested_build_carries_references_to_its_secrets_and_no_values() {
        let line = ["quickstart", "--repo", "https://git.example/r", "--command", "make", "--secret", "KEY=canary"];
        let args = Args::parse_from(line, |_| None).unwrap();
        let Work::Repository(request) = &args.work else { panic!("a repository was given") };
        let titled = requested(&args, request, BuildId::generate(), Timestamp::EPOCH);
        assert_eq!(titled.build.spec.secrets["KEY"], SecretRef("KEY".to_owned()));
        assert!(!serde_json::to_string(&titled.build).unwrap().contains("canary"));
    }
}
