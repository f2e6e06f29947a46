//! What a server tells about itself by HTTP and to no client: whether it syncs what it confirms.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::NatsError;

/// The most bytes of an answer; real ones have about 10 KiB.
const MAX_ANSWER: u64 = 1 << 20;

#[derive(Deserialize)]
struct Varz {
    jetstream: JetStream,
}

#[derive(Deserialize)]
struct JetStream {
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    sync_always: bool,
}

/// Whether the server at its monitoring address confirms nothing before it is on disk.
pub(super) async fn syncs_always(monitor: SocketAddr, deadline: Duration) -> Result<bool, NatsError> {
    let failed = |said: String| NatsError::Monitor { monitor, said };
    let answer = timeout(deadline, get(monitor)).await.map_err(|_| failed("no answer".to_owned()))?;
    judge(&answer.map_err(|error| failed(error.to_string()))?).ok_or_else(|| failed("no /varz of JetStream".to_owned()))
}

async fn get(monitor: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(monitor).await?;
    // HTTP 1.0: the answer is not in pieces, and ends with the connection.
    stream.write_all(format!("GET /varz HTTP/1.0\r\nHost: {monitor}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn judge(answer: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(answer).ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    let varz: Varz = serde_json::from_str(body).ok()?;
    Some(varz.jetstream.config?.sync_always)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_whether_the_server_syncs() {
        let answer = |body: &str| judge(format!("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{body}").as_bytes());
        assert_eq!(answer(r#"{"x":1,"jetstream":{"config":{"store_dir":"d","sync_always":true}}}"#), Some(true));
        assert_eq!(answer(r#"{"jetstream":{"config":{"sync_interval":120000000000}}}"#), Some(false));
        for no_answer in ["", "{}", r#"{"jetstream":{}}"#, "<html>"] {
            assert_eq!(answer(no_answer), None, "{no_answer}");
        }
    }
}
