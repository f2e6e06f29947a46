//! The attempt's log: written masked and bounded by the runner, sent to the gateway from the file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use netbuild_core::log::{LogWriter, Masker, read_log};
use tokio_util::sync::CancellationToken;

use super::gateway_client::GatewayClient;

/// How often to look for new bytes.
const LOOK: Duration = Duration::from_millis(200);

/// The pause after the gateway took nothing.
const REFUSED: Duration = Duration::from_secs(1);

/// The most bytes in one request.
const CHUNK: usize = 256 << 10;

/// How long the rest of the log may take at the end. What the gateway lacks then is still in the file.
const LAST: Duration = Duration::from_secs(10);

/// The log while the attempt writes it.
#[derive(Debug)]
pub(super) struct Log {
    writer: Mutex<Option<LogWriter<File>>>,
}

impl Log {
    /// A new log at `path`.
    pub(super) fn create(path: &Path, masker: Masker, max_bytes: u64) -> io::Result<Self> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Log { writer: Mutex::new(Some(LogWriter::new(file, masker, max_bytes))) })
    }

    /// Writes what the command printed. After [`finish`](Self::finish) it takes nothing more.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self.writer.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(writer) => writer.write_all(bytes),
            None => Err(io::Error::other("the log is finished")),
        }
    }

    /// Ends the log, brings it to the disk, and tells its length.
    pub(super) fn finish(&self) -> io::Result<u64> {
        match self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(writer) => {
                let (file, length) = writer.finish()?;
                file.sync_all()?;
                Ok(length)
            }
            None => Err(io::Error::other("the log is finished")),
        }
    }
}

/// Sends the log at `path` as it grows, until `over` and the end of the file, or until the gateway has no more time.
/// Nothing waits for it meanwhile: a gateway that takes no log costs no build.
pub(super) async fn ship(client: GatewayClient, path: PathBuf, over: CancellationToken) {
    let mut next = 0;
    while !over.is_cancelled() {
        let pause = match send(&client, &path, &mut next).await {
            Sent::Something => continue,
            Sent::Nothing => LOOK,
            Sent::Refused => REFUSED,
        };
        // Ends early with `over`; either way it goes on.
        let _over = tokio::time::timeout(pause, over.cancelled()).await;
    }
    let rest = async { while matches!(send(&client, &path, &mut next).await, Sent::Something) {} };
    // Past the bound the rest is left to the file.
    let _late = tokio::time::timeout(LAST, rest).await;
}

enum Sent {
    Something,
    Nothing,
    Refused,
}

async fn send(client: &GatewayClient, path: &Path, next: &mut u64) -> Sent {
    let (path, from) = (path.to_owned(), *next);
    let read = tokio::task::spawn_blocking(move || read_log(&path, from, CHUNK, false)).await;
    let Ok(Ok(chunk)) = read else { return Sent::Refused };
    if chunk.bytes.is_empty() {
        return Sent::Nothing;
    }
    let end = from + chunk.bytes.len() as u64;
    match client.log(from, chunk.bytes).await {
        Ok(wanted) => {
            // A gateway that lacks earlier bytes says so; one that claims more than it got is not believed.
            *next = wanted.min(end);
            if *next > from { Sent::Something } else { Sent::Refused }
        }
        Err(_) => Sent::Refused,
    }
}
