//! A smart-HTTP Git server on loopback: `git http-backend` behind a small HTTP server.

use std::path::PathBuf;
use std::process::Stdio;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::repository::{Repository, git};

/// A server of one repository under `/site.git`. `/denied.git` and `/closed.git` answer 401 and 403, `/broken.git` 500.
pub(crate) struct GitServer {
    base: String,
    _server: JoinSet<()>,
}

impl GitServer {
    pub(crate) async fn new(repository: &Repository) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(repository.git_dir());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        GitServer { base, _server: server }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.base)
    }
}

async fn serve(State(git_dir): State<PathBuf>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let status = match uri.path().split('/').nth(1) {
        Some("site.git") => return backend(git_dir, method, uri, headers, body).await,
        Some("denied.git") => StatusCode::UNAUTHORIZED,
        Some("closed.git") => StatusCode::FORBIDDEN,
        Some("broken.git") => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::NOT_FOUND,
    };
    Response::builder().status(status).body(Body::empty()).unwrap()
}

pub(crate) async fn backend(git_dir: PathBuf, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut command = tokio::process::Command::from(git());
    let mut child = command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", git_dir)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method.as_str())
        .env("PATH_INFO", uri.path().splitn(3, '/').nth(2).map(|rest| format!("/{rest}")).unwrap())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("these tests need `git`");
    let mut input = child.stdin.take().unwrap();
    // It may answer before it has read everything.
    let _ = input.write_all(&body).await;
    drop(input);
    answer(&child.wait_with_output().await.unwrap().stdout)
}

/// Turns what a CGI program prints into a response.
fn answer(output: &[u8]) -> Response {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").expect("a CGI answer has a head");
    let mut response = Response::builder();
    for line in std::str::from_utf8(&output[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = match name {
            "Status" => response.status(value[..3].parse::<u16>().unwrap()),
            _ => response.header(name, value),
        };
    }
    response.body(Body::from(output[end + 4..].to_vec())).unwrap()
}
