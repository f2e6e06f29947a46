//! From a verified event and projects' settings to builds.

use std::fmt;
use std::time::Duration;

use super::change::{BRANCHES, Change, Origin, PullRequest, Push, Stamp};
use super::decision::{Decision, RefusedSource, Verdict};
use super::key::event_key;
use super::{GitHost, HookScope, Label, Previews, ProjectSettings, Reason, RepositoryId};
use crate::model::{
    Build, BuildId, DeployContext, InvalidSource, RepositoryUrl, Revision, Source, Timestamp, Transport, Trust,
};
use crate::port::{Event, EventKey};

/// An event that is known to come from the Git host. Made by [`Hook::receive`](super::Hook::receive).
pub struct Received {
    pub(super) host: GitHost,
    pub(super) scope: HookScope,
    pub(super) max_age: Duration,
    pub(super) delivery: Option<Label>,
    pub(super) repository: Option<RepositoryId>,
    pub(super) changes: Vec<Change>,
}

impl fmt::Debug for Received {
    /// Without what happened: the URLs in it were not looked at yet and may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scope, delivery, repository) = (&self.scope, &self.delivery, &self.repository);
        f.debug_struct("Received")
            .field("scope", scope)
            .field("delivery", delivery)
            .field("repository", repository)
            .finish_non_exhaustive()
    }
}

impl Received {
    /// The repository, to look its projects up; `None` when the event can build nothing whatever its repository.
    pub fn repository(&self) -> Option<&RepositoryId> {
        self.repository.as_ref()
    }

    /// The id of the delivery, by which a person finds it in the Git host's list. It is not signed: for logs only.
    pub fn delivery(&self) -> Option<&Label> {
        self.delivery.as_ref()
    }

    /// What the event asks for. Projects of other accounts than the webhook's, or of other repositories than the event's,
    /// are passed over, so that a look-up that finds too many does no harm. `now` is when the customer asked; `ids` gives
    /// each build its id ([`BuildId::generate`]).
    pub fn decide<'p>(
        &self,
        projects: impl IntoIterator<Item = &'p ProjectSettings>,
        now: Timestamp,
        mut ids: impl FnMut() -> BuildId,
    ) -> Decision {
        let concerned = |project: &&ProjectSettings| {
            self.scope.covers(&project.account) && self.repository.as_ref() == Some(&project.repository)
        };
        let projects: Vec<_> = projects.into_iter().filter(concerned).collect();
        let mut verdicts = Vec::new();
        for change in &self.changes {
            if let Some(reason) = self.nothing(change, projects.is_empty(), now) {
                verdicts.push(Verdict::Nothing(reason));
                continue;
            }
            verdicts.extend(projects.iter().map(|project| match self.want(change, project) {
                Ok(wanted) => Verdict::Build(Box::new(wanted.into_event(project, ids(), now))),
                Err(verdict) => verdict,
            }));
        }
        Decision { verdicts }
    }

    /// Why a change is nothing to build, whatever the settings.
    fn nothing(&self, change: &Change, unknown: bool, now: Timestamp) -> Option<Reason> {
        if let Change::Nothing(reason) = change {
            Some(reason.clone())
        } else if unknown {
            Some(Reason::UnknownRepository)
        } else if change.time().is_some_and(|time| time + self.max_age < now) {
            Some(Reason::TooOld)
        } else {
            None
        }
    }

    fn want(&self, change: &Change, project: &ProjectSettings) -> Result<Wanted, Verdict> {
        match change {
            Change::Push(push) => self.want_push(push, project),
            Change::PullRequest(request) => self.want_pull_request(request, project),
            Change::Nothing(reason) => Err(Verdict::Nothing(reason.clone())),
        }
    }

    fn want_push(&self, push: &Push, project: &ProjectSettings) -> Result<Wanted, Verdict> {
        Revision::parse(&push.full_ref)?;
        let branch = push.full_ref.strip_prefix(BRANCHES).unwrap_or(&push.full_ref);
        let context = if branch == project.production_branch {
            DeployContext::Production
        } else if project.branches.include(branch) {
            DeployContext::Branch(branch.to_owned())
        } else {
            return Err(Verdict::Nothing(Reason::BranchNotBuilt { branch: Label::new(branch) }));
        };
        let repository = match &project.url {
            Some(url) => url.clone(),
            None => self.url(&push.url)?,
        };
        let source = Source { repository, revision: commit(&push.after)? };
        let what = ["push", &push.full_ref];
        let key = key(project, what, push.before.as_deref(), &push.after, push.at.as_ref());
        Ok(Wanted { key, source, context, trust: Trust::Trusted })
    }

    fn want_pull_request(&self, request: &PullRequest, project: &ProjectSettings) -> Result<Wanted, Verdict> {
        let trust = match request.origin {
            Origin::Own { .. } => Trust::Trusted,
            Origin::Fork { .. } | Origin::ForkElsewhere { .. } => Trust::Untrusted,
        };
        match (project.previews, trust) {
            (Previews::Never, _) => return Err(Verdict::Nothing(Reason::PreviewsOff)),
            (Previews::Own, Trust::Untrusted) => return Err(Verdict::Nothing(Reason::ForkNotBuilt)),
            (Previews::Own, Trust::Trusted) | (Previews::OwnAndForks, _) => {}
        }
        let repository = match (&request.origin, &project.url) {
            (Origin::Own { .. } | Origin::Fork { .. }, Some(url)) => url.clone(),
            (Origin::Own { url } | Origin::Fork { url } | Origin::ForkElsewhere { url: Some(url) }, _) => {
                self.url(url)?
            }
            (Origin::ForkElsewhere { url: None }, _) => return Err(Verdict::Nothing(Reason::ForkGone)),
        };
        let revision = Revision::parse(&request.revision)?;
        let number = request.number.to_string();
        let what = [request.event, &number];
        let key = key(project, what, request.before.as_deref(), &request.head, request.at.as_ref());
        let context = DeployContext::Preview(number);
        Ok(Wanted { key, source: Source { repository, revision }, context, trust })
    }

    /// A clone URL of the event. It must stay at the Git host: the project's credential is shown to what it names.
    fn url(&self, text: &str) -> Result<RepositoryUrl, RefusedSource> {
        let url = RepositoryUrl::parse(text)?;
        if url.transport() == Transport::File {
            return Err(InvalidSource::Transport.into());
        }
        let (_, rest) = url.as_str().split_once("://").ok_or(InvalidSource::Transport)?;
        let authority = rest.split('/').next().unwrap_or_default();
        let name = authority.rsplit('@').next().unwrap_or_default();
        if name.eq_ignore_ascii_case(self.host.name()) { Ok(url) } else { Err(RefusedSource::OtherHost) }
    }
}

/// A build that an event asks for, before it has an id.
struct Wanted {
    key: EventKey,
    source: Source,
    context: DeployContext,
    trust: Trust,
}

impl Wanted {
    fn into_event(self, project: &ProjectSettings, id: BuildId, now: Timestamp) -> Event {
        let build = Build {
            id,
            account: project.account.clone(),
            project: project.project.clone(),
            source: self.source,
            context: self.context,
            spec: project.spec.clone(),
            priority: project.priority,
            trust: self.trust,
            created_at: now,
        };
        Event { key: self.key, build }
    }
}

/// A full commit id; a ref in its place would be built at whatever it names later.
fn commit(text: &str) -> Result<Revision, InvalidSource> {
    match Revision::parse(text)? {
        commit @ Revision::Commit(_) => Ok(commit),
        _ => Err(InvalidSource::Revision),
    }
}

fn key(
    project: &ProjectSettings,
    [event, of]: [&str; 2],
    before: Option<&str>,
    after: &str,
    at: Option<&Stamp>,
) -> EventKey {
    let host = project.repository.host();
    let at = at.map(Stamp::text);
    event_key(&[
        Some(host.provider().name()),
        Some(host.name()),
        Some(project.account.as_str()),
        Some(project.project.as_str()),
        Some(project.repository.id()),
        Some(event),
        Some(of),
        before,
        Some(after),
        at.as_deref(),
    ])
}
