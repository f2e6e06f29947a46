//! The attempt's log: written masked and bounded by the runner, sent to the gateway from the file.
//!
//! A flood costs neither memory nor the scheduler anything: what comes too fast waits in the command's pipe, what is too
//! much is dropped, and the gateway is sent the file at its own pace.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use netbuild_core::log::{LogBounds, LogWriter, Masker, RateBound, read_log};
use netbuild_core::model::JobRules;
use netbuild_core::port::Clock;
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
    writing: Mutex<Option<Writing>>,
    clock: Arc<dyn Clock>,
    hurry: CancellationToken,
}

#[derive(Debug)]
struct Writing {
    writer: LogWriter<File>,
    rate: RateBound,
    /// Whether what came in so far ends with a line.
    at_line_start: bool,
}

impl Log {
    /// A new log at `path`.
    pub(super) fn create(path: &Path, masker: Masker, rules: &JobRules, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        let writer = LogWriter::new(file, masker, LogBounds::from(rules));
        let writing = Writing { writer, rate: RateBound::new(rules.log_bytes_per_second), at_line_start: true };
        Ok(Log { writing: Mutex::new(Some(writing)), clock, hurry: CancellationToken::new() })
    }

    /// Writes what the command printed, and then waits for as long as the log's rate asks. What is dropped past a bound
    /// costs no time. After [`finish`](Self::finish) it takes nothing more.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let pause = self.put(bytes)?;
        if !pause.is_zero() {
            // The command's end comes early; either way the log goes on.
            let _hurry = tokio::time::timeout(pause, self.hurry.cancelled()).await;
        }
        Ok(())
    }

    /// Writes a line of the runner's own, `[netbuild: TEXT]`, without waiting. The text has no line feed.
    pub(super) fn say(&self, text: &str) -> io::Result<()> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Writing { writer, at_line_start, .. }) = writing.as_mut() else {
            return Err(io::Error::other("the log is finished"));
        };
        let before = if std::mem::replace(at_line_start, true) { "" } else { "\n" };
        writer.write_all(format!("{before}[netbuild: {text}]\n").as_bytes())
    }

    /// Lets nobody wait any more: the command is over, and what is left of its output is a pipe full.
    pub(super) fn hurry(&self) {
        self.hurry.cancel();
    }

    fn put(&self, bytes: &[u8]) -> io::Result<Duration> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Writing { writer, rate, at_line_start }) = writing.as_mut() else {
            return Err(io::Error::other("the log is finished"));
        };
        if let Some(last) = bytes.last() {
            *at_line_start = *last == b'\n';
        }
        let before = writer.offset();
        writer.write_all(bytes)?;
        Ok(rate.take(writer.offset() - before, self.clock.monotonic()))
    }

    /// Ends the log, brings it to the disk, and tells its length.
    pub(super) fn finish(&self) -> io::Result<u64> {
        match self.writing.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(Writing { writer, .. }) => {
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
    // A request that hangs when the log is whole is not waited for: it is sent again with the rest.
    while let Some(sent) = over.run_until_cancelled(send(&client, &path, &mut next)).await {
        let pause = match sent {
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
