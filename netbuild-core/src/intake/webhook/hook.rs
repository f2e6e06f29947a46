//! From a request to an event that is known to come from the Git host.

use std::time::Duration;

use super::body::{BoundedBody, DEFAULT_BODY_BYTES};
use super::change::Payload;
use super::headers::Headers;
use super::secrets::Secrets;
use super::{GitHost, Provider, Received, Refusal, bitbucket, github, gitlab};
use crate::model::AccountId;

/// The age that [`Hook::new`] sets, past which an event builds nothing: 6 days. GitHub delivers again for 3 days, and
/// the SQLite outbox keeps event keys for 7.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(6 * 24 * 3600);

/// A webhook as it was set up at a Git host: who calls it, with which secrets, and for whom. Give each a URL of its own,
/// by which the service finds it before it reads a request.
#[derive(Clone, Debug)]
pub struct Hook {
    host: GitHost,
    scope: HookScope,
    secrets: Secrets,
    body_bytes: usize,
    max_age: Duration,
}

/// Whose projects a webhook's events may build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookScope {
    /// This account's. The account knows the secret, so it can sign any body: one that names another account's
    /// repository builds nothing.
    Account(AccountId),
    /// Every account's: for a GitHub App or another webhook of the service's own, whose secret only the service and the
    /// Git host know. Then it is the Git host who says which repository an event is of.
    Service,
}

impl HookScope {
    pub(super) fn covers(&self, account: &AccountId) -> bool {
        match self {
            HookScope::Account(own) => own == account,
            HookScope::Service => true,
        }
    }
}

impl Hook {
    /// A webhook with the default bounds ([`DEFAULT_BODY_BYTES`], [`DEFAULT_MAX_AGE`]).
    pub fn new(host: GitHost, scope: HookScope, secrets: Secrets) -> Self {
        Hook { host, scope, secrets, body_bytes: DEFAULT_BODY_BYTES, max_age: DEFAULT_MAX_AGE }
    }

    /// The same with another bound on bodies, in bytes.
    #[must_use]
    pub fn with_body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// The same with another age past which an event builds nothing more. Keep it below the time for which the outbox
    /// keeps event keys, and above the longest outage of the service after which deliveries are to be repeated.
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Begins to read a body: a receiver that streams calls this with the request's headers and pushes the chunks.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] when the body is announced as longer than the bound, [`Refusal::Length`] when its length is
    /// announced wrongly. Neither has read a byte.
    pub fn body<N, V>(&self, headers: impl IntoIterator<Item = (N, V)>) -> Result<BoundedBody, Refusal>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let announced = Headers::pick(self.host.provider(), headers).length()?;
        BoundedBody::new(announced, self.body_bytes)
    }

    /// Verifies a request and reads its event. `headers` are all of the request's, repeated ones each by itself; `body`
    /// is the body byte for byte as it came.
    ///
    /// The order: size, signature, content type, then the body. Whoever does not know a secret learns no more than that.
    ///
    /// # Errors
    /// [`Refusal`]; its [`status`](Refusal::status) and its words are the answer to the Git host.
    pub fn receive<N, V>(&self, headers: impl IntoIterator<Item = (N, V)>, body: &[u8]) -> Result<Received, Refusal>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let headers = Headers::pick(self.host.provider(), headers);
        let announced = headers.length()?;
        if body.len() > self.body_bytes || announced.is_some_and(|length| length > self.body_bytes) {
            return Err(Refusal::TooLarge { limit: self.body_bytes });
        }
        match self.host.provider() {
            Provider::GitHub | Provider::Bitbucket => self.secrets.verify_hmac(&headers.proof, body)?,
            Provider::GitLab => self.secrets.verify_token(&headers.proof)?,
        }
        headers.check_content_type()?;
        let event = headers.event()?;
        let body = str::from_utf8(body).map_err(|_| Refusal::Encoding)?;
        let Payload { repository, changes } = match self.host.provider() {
            Provider::GitHub => github::parse(&self.host, event, body)?,
            Provider::GitLab => gitlab::parse(&self.host, event, body)?,
            Provider::Bitbucket => bitbucket::parse(&self.host, event, body)?,
        };
        Ok(Received {
            host: self.host.clone(),
            scope: self.scope.clone(),
            max_age: self.max_age,
            delivery: headers.delivery(),
            repository,
            changes,
        })
    }
}
