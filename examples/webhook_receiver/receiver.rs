//! What a service does: a URL for each webhook, and the outbox behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use futures_util::StreamExt;
use netbuild_core::intake::webhook::{Decision, Hook, ProjectSettings, Received, Refusal, RepositoryId};
use netbuild_core::model::BuildId;
use netbuild_core::port::{Clock, Outbox};

/// The webhooks and projects of a service, which has them in its database.
#[derive(Debug)]
pub(crate) struct Receiver {
    hooks: BTreeMap<String, Hook>,
    /// Several projects, also of several accounts, may build one repository.
    projects: BTreeMap<RepositoryId, Vec<ProjectSettings>>,
    outbox: Arc<dyn Outbox>,
    clock: Arc<dyn Clock>,
}

/// A status and words for the person who looks at the Git host's list of deliveries.
type Answer = (StatusCode, String);

impl Receiver {
    pub(crate) fn new(
        hooks: BTreeMap<String, Hook>,
        projects: Vec<ProjectSettings>,
        outbox: Arc<dyn Outbox>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut by_repository: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for project in projects {
            by_repository.entry(project.repository.clone()).or_default().push(project);
        }
        Receiver { hooks, projects: by_repository, outbox, clock }
    }

    pub(crate) fn router(self) -> Router {
        Router::new().route("/hooks/{id}", post(webhook)).with_state(Arc::new(self))
    }

    async fn record(&self, received: Received) -> Answer {
        let projects = received.repository().and_then(|repository| self.projects.get(repository));
        let decision: Decision = received.decide(projects.into_iter().flatten(), self.clock.now(), BuildId::generate);
        // The Git host may forget the event once it has a 2xx, so that comes after the outbox. A 503 is delivered again.
        match self.outbox.record(&decision.events()).await {
            Ok(recorded) => {
                let again = recorded.iter().filter(|recorded| !recorded.fresh).count();
                let again = if again > 0 { " (recorded before)" } else { "" };
                (status(decision.status()), format!("{}{again}", decision.to_string().trim_end()))
            }
            Err(error) if error.is_refusal() => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

async fn webhook(State(receiver): State<Arc<Receiver>>, Path(id): Path<String>, request: Request) -> Answer {
    let Some(hook) = receiver.hooks.get(&id) else {
        return (StatusCode::NOT_FOUND, "there is no such webhook".to_owned());
    };
    let (head, body) = request.into_parts();
    match receive(hook, &head.headers, body).await {
        Ok(received) => receiver.record(received).await,
        Err(refusal) => (status(refusal.status()), refusal.to_string()),
    }
}

async fn receive(hook: &Hook, headers: &HeaderMap, body: Body) -> Result<Received, Refusal> {
    let mut bounded = hook.body(headers)?;
    let mut chunks = body.into_data_stream();
    // A connection that breaks ends the body in the middle: its signature fits no more.
    while let Some(Ok(chunk)) = chunks.next().await {
        bounded.push(&chunk)?;
    }
    hook.receive(headers, &bounded.finish()?)
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
