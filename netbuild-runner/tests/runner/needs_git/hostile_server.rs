//! A Git server that does what no Git server should.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::git_server::backend;
use super::repository::Repository;

/// The server, and another one to which it redirects.
pub(crate) struct HostileServer {
    base: String,
    pub(crate) elsewhere: String,
    asked_elsewhere: Arc<AtomicUsize>,
    _servers: JoinSet<()>,
}

#[derive(Clone)]
struct World {
    git_dir: PathBuf,
    elsewhere: String,
}

impl HostileServer {
    pub(crate) async fn new(repository: &Repository) -> Self {
        let git_dir = repository.git_dir();
        let asked_elsewhere = Arc::new(AtomicUsize::new(0));
        let mut servers = JoinSet::new();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let elsewhere = format!("http://{}", listener.local_addr().unwrap());
        // It would serve the repository to whoever follows the redirect.
        let there = Router::new().fallback(elsewhere_serve).with_state((git_dir.clone(), Arc::clone(&asked_elsewhere)));
        servers.spawn(async move { axum::serve(listener, there).await.unwrap() });

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let here = Router::new().fallback(serve).with_state(World { git_dir, elsewhere: elsewhere.clone() });
        servers.spawn(async move { axum::serve(listener, here).await.unwrap() });
        HostileServer { base, elsewhere, asked_elsewhere, _servers: servers }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.base)
    }

    /// How often somebody has followed a redirect to the other server.
    pub(crate) fn asked_elsewhere(&self) -> usize {
        self.asked_elsewhere.load(Ordering::SeqCst)
    }
}

async fn elsewhere_serve(
    State((git_dir, asked)): State<(PathBuf, Arc<AtomicUsize>)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    asked.fetch_add(1, Ordering::SeqCst);
    backend(git_dir, method, uri, headers, body).await
}

async fn serve(State(world): State<World>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path_and_query().unwrap().as_str().to_owned();
    let (name, rest) = path[1..].split_once('/').unwrap();
    let asks_for = |what: &str| String::from_utf8_lossy(&body).contains(what);
    match name {
        "moved.git" => redirect(StatusCode::MOVED_PERMANENTLY, &format!("/site.git/{rest}")),
        "away-301.git" => redirect(StatusCode::MOVED_PERMANENTLY, &format!("{}/site.git/{rest}", world.elsewhere)),
        "away-302.git" => redirect(StatusCode::FOUND, &format!("{}/site.git/{rest}", world.elsewhere)),
        "away-307.git" => redirect(StatusCode::TEMPORARY_REDIRECT, &format!("{}/site.git/{rest}", world.elsewhere)),
        "file.git" => redirect(StatusCode::FOUND, "file:///etc/passwd"),
        "circle.git" => redirect(StatusCode::FOUND, &format!("/circle.git/{rest}")),
        // The list is here, and the pack would be elsewhere.
        "split.git" if method == Method::POST && asks_for("command=fetch") => {
            redirect(StatusCode::TEMPORARY_REDIRECT, &format!("{}/site.git/{rest}", world.elsewhere))
        }
        "silent.git" => std::future::pending().await,
        "drip.git" => drip(),
        "giant.git" if asks_for("command=ls-refs") => giant(),
        "garbage.git" if asks_for("command=fetch") => {
            result(Body::from("000dpackfile\n001e\u{1}PACK\0\0\0\u{2}\0\0\0\u{1}not a pack at"))
        }
        "lines.git" if asks_for("command=fetch") => result(Body::from("nolength")),
        "error.git" if asks_for("command=fetch") => result(Body::from("0014ERR no such luck")),
        "html.git" => Response::builder().header(header::CONTENT_TYPE, "text/html").body(Body::from("<h1>")).unwrap(),
        _ => backend(world.git_dir, method, uri, headers, body).await,
    }
}

fn redirect(status: StatusCode, to: &str) -> Response {
    Response::builder().status(status).header(header::LOCATION, to).body(Body::empty()).unwrap()
}

fn result(body: Body) -> Response {
    Response::builder().header(header::CONTENT_TYPE, "application/x-git-upload-pack-result").body(body).unwrap()
}

/// A byte now and then, for ever.
fn drip() -> Response {
    let bytes = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b"0")), ()))
    });
    let kind = "application/x-git-upload-pack-advertisement";
    Response::builder().header(header::CONTENT_TYPE, kind).body(Body::from_stream(bytes)).unwrap()
}

/// Refs without an end, as fast as they are taken.
fn giant() -> Response {
    let refs = stream::unfold(0_u64, |count| async move {
        let lines: String = (count..count + 1000)
            .map(|number| {
                let line = format!("{} refs/heads/branch-{number:012}\n", "a".repeat(40));
                format!("{:04x}{line}", line.len() + 4)
            })
            .collect();
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(lines)), count + 1000))
    });
    result(Body::from_stream(refs))
}
