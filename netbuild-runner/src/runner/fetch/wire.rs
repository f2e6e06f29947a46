//! Git's requests over HTTP: no redirect to another host, and a bound on every answer.
//!
//! This stands in for gix's own HTTP client, which follows redirects to any host and reads without a bound.

use std::any::Any;
use std::io;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use gix::protocol::transport::client::blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse};
use netbuild_core::model::JobRules;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::LOCATION;
use reqwest::{StatusCode, Url};

use super::exchange::{Body, Bound, Exchange, Headers, Question};
use super::pack_bounds::{PackBounds, PackError};
use crate::runner::roots;

/// The longest silence of the repository's host, in one connect, read or write.
const SILENCE: Duration = Duration::from_secs(60);

/// The most bytes of an answer that lists refs: about a hundred thousand of them, and they are kept in memory. A server
/// that speaks version 2 of the protocol lists only what is asked for.
pub(super) const MAX_LIST_BYTES: u64 = 8 << 20;

/// The most redirects that are followed, all of them on the same host.
const MAX_REDIRECTS: usize = 4;

/// What went wrong between the runner and the repository's host.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// No answer.
    #[error("no answer")]
    Request(#[source] reqwest::Error),
    /// An answer that is none.
    #[error("the answer was {0}")]
    Status(StatusCode),
    /// A redirect away from the URL's scheme, host and port, or not to where Git's protocol goes on. Only the place's
    /// scheme, host and port are kept: the rest may hold anything.
    #[error("a redirect ({status}) to {to}")]
    Redirect { status: StatusCode, to: String },
    /// An answer over its bound.
    #[error("an answer of more than {0} bytes")]
    TooLong(u64),
    /// A pack that is not taken.
    #[error(transparent)]
    Pack(PackError),
    /// Nobody wants the answer any more.
    #[error("interrupted")]
    Interrupted,
}

impl From<WireError> for io::Error {
    fn from(error: WireError) -> Self {
        // Not the kind `Interrupted`, which readers take as a call to try again.
        io::Error::other(error)
    }
}

/// The HTTP client of one fetch.
pub(super) struct Wire<'a> {
    client: Client,
    /// On answers with a pack.
    pack: Bound<'a>,
    /// Where the repository has moved to on the same host.
    moved: Option<String>,
}

impl<'a> Wire<'a> {
    /// A client without proxies and without credentials. Nothing is sent yet.
    pub(super) fn new(rules: &JobRules, interrupt: &'a AtomicBool) -> Result<Self, WireError> {
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(SILENCE)
            .tls_certs_merge(roots::brought())
            .build()
            .map_err(WireError::Request)?;
        let pack = Bound { bytes: rules.source_bytes, pack: Some(PackBounds::of(rules)), interrupt };
        Ok(Wire { client, pack, moved: None })
    }

    /// Asks for `url`, and follows redirects that stay on its host and end with the same `tail`.
    fn ask(&self, url: &str, tail: &str, headers: &[(String, String)]) -> Result<(Response, String), WireError> {
        let mut at = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let response = send(with(self.client.get(&at), headers))?;
            if !response.status().is_redirection() {
                return Ok((checked(response)?, at));
            }
            let to = target(&response);
            match to.as_ref().filter(|to| stays(response.url(), to) && to.as_str().ends_with(tail)) {
                Some(to) => to.as_str().clone_into(&mut at),
                None => return Err(redirect(response.status(), to.as_ref())),
            }
        }
        Err(WireError::Redirect { status: StatusCode::LOOP_DETECTED, to: "itself, again and again".to_owned() })
    }
}

impl<'a> Http for Wire<'a> {
    type Headers = Headers<'a>;
    type ResponseBody = Body<'a>;
    type PostBody = Question<'a>;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Headers<'a>, Body<'a>>> {
        let tail = url.strip_prefix(base_url).unwrap_or(url);
        let (response, at) = self.ask(url, tail, &split(headers)).map_err(gix::Error::from_error)?;
        if at != url {
            self.moved = at.strip_suffix(tail).map(ToOwned::to_owned);
        }
        let list = Bound { bytes: MAX_LIST_BYTES, pack: None, ..self.pack };
        Ok(GetResponse { headers: Headers::of(&response), body: Body::of(response, list) })
    }

    fn post(
        &mut self,
        url: &str,
        _: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Headers<'a>, Body<'a>, Question<'a>>> {
        let exchange = Exchange::new(with(self.client.post(url), &split(headers)), MAX_LIST_BYTES, self.pack);
        Ok(PostResponse {
            post_body: Question::of(&exchange),
            headers: Headers::to_come(&exchange),
            body: Body::to_come(&exchange),
        })
    }

    fn configure(&mut self, _: &dyn Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.moved.clone()
    }
}

/// Sends a request; any answer will do.
fn send(request: RequestBuilder) -> Result<Response, WireError> {
    request.send().map_err(WireError::Request)
}

/// Sends a request, and takes only its own answer: no redirect, no refusal.
pub(super) fn answer(request: RequestBuilder) -> Result<Response, WireError> {
    let response = send(request)?;
    match response.status() {
        status if status.is_redirection() => Err(redirect(status, target(&response).as_ref())),
        _ => checked(response),
    }
}

fn checked(response: Response) -> Result<Response, WireError> {
    if response.status().is_success() { Ok(response) } else { Err(WireError::Status(response.status())) }
}

/// Where a redirect leads.
fn target(response: &Response) -> Option<Url> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    response.url().join(location).ok()
}

/// Whether a redirect stays where the build was allowed to fetch from.
fn stays(from: &Url, to: &Url) -> bool {
    let has_credentials = !to.username().is_empty() || to.password().is_some();
    from.origin() == to.origin() && from.origin().is_tuple() && !has_credentials
}

fn redirect(status: StatusCode, to: Option<&Url>) -> WireError {
    let to = match to.map(|to| (to.origin(), to.scheme())) {
        Some((origin, _)) if origin.is_tuple() => origin.ascii_serialization(),
        Some((_, scheme)) => format!("a `{scheme}` URL"),
        None => "nowhere".to_owned(),
    };
    WireError::Redirect { status, to }
}

/// Header lines of gix, as name and value.
fn split(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<(String, String)> {
    let pair = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    lines.into_iter().filter_map(|line| pair(line.as_ref())).collect()
}

fn with(request: RequestBuilder, headers: &[(String, String)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_scheme_host_and_port_is_the_same_place() {
        let from = Url::parse("https://git.example/a/info/refs").unwrap();
        let table = [
            ("https://git.example/b/info/refs", true),
            ("https://git.example:443/b", true),
            ("https://git.example:8443/a", false),
            ("http://git.example/a", false),
            ("https://other.example/a", false),
            ("https://git.example.evil.example/a", false),
            ("https://git.example@evil.example/a", false),
            ("https://user:secret@git.example/a", false),
            ("https://127.0.0.1/a", false),
            ("file:///etc/passwd", false),
        ];
        for (to, is_same) in table {
            assert_eq!(stays(&from, &Url::parse(to).unwrap()), is_same, "{to}");
        }
    }

    #[test]
    fn a_redirect_names_no_more_than_the_place() {
        let of = |to: &str| redirect(StatusCode::FOUND, Url::parse(to).ok().as_ref()).to_string();
        assert_eq!(of("https://u:canary@evil.example:1/canary"), "a redirect (302 Found) to https://evil.example:1");
        assert_eq!(of("file:///canary"), "a redirect (302 Found) to a `file` URL");
        assert_eq!(of(""), "a redirect (302 Found) to nowhere");
    }
}
