//! Definitions from a file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::{Format, FormatError, Loaded, Source, SourceError};
use crate::Definitions;

/// The largest file of definitions, in bytes: 16 MiB.
pub const MAX_FILE_BYTES: u64 = 16 << 20;

/// Between two looks at the file. Its text is compared, so neither clocks nor the kind of file system matter.
const LOOK: Duration = Duration::from_millis(250);

/// How long a new text must have stayed the same.
const SETTLED: Duration = Duration::from_millis(100);

/// Definitions from a file of JSON, TOML or YAML, by the end of its name.
///
/// A change is noticed within a quarter of a second, however it is made: a file that is renamed over it, a link that is
/// exchanged (as Kubernetes does it with a mounted `ConfigMap`), or a text that is written in place. Half a text may well
/// be one that can be read, as its first tables in TOML: so a new text counts once it has stayed the same for a tenth of
/// a second. For whoever writes in place and pauses longer than that it is no protection; renaming needs none.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    format: Format,
    last: Mutex<Last>,
}

/// What `load` last found.
#[derive(Debug, Default)]
struct Last {
    /// The text of the file; the kind of the error where there was none.
    text: Option<Result<Vec<u8>, io::ErrorKind>>,
    /// What the text was read as, so that the same text is not read again.
    definitions: Option<Definitions>,
}

/// Why a file has no definitions to give.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub reason: FileReason,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileReason {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is larger than [`MAX_FILE_BYTES`].
    #[error("it has more than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// It is no text in UTF-8.
    #[error("it is no text in UTF-8")]
    NotUtf8,
    /// Its text is no definitions.
    #[error("{0}")]
    Format(#[from] FormatError),
}

impl FileSource {
    /// Definitions from a file, which need not be there yet.
    ///
    /// # Errors
    /// [`FormatError`]: the end of its name tells no format, or one that was left out of this build.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, FormatError> {
        let path = path.as_ref().to_owned();
        Ok(FileSource { format: Format::of(&path)?, path, last: Mutex::default() })
    }

    async fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(&self.path).await?.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).await?;
        Ok(text)
    }

    /// The text once nobody is writing it.
    async fn settled(&self) -> io::Result<Vec<u8>> {
        let mut text = self.text().await;
        while self.last().text != Some(kept(&text)) {
            tokio::time::sleep(SETTLED).await;
            let again = self.text().await;
            if kept(&again) == kept(&text) {
                return again;
            }
            text = again;
        }
        text
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, text: &[u8]) -> Result<Definitions, FileReason> {
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(FileReason::TooLarge);
        }
        let text = str::from_utf8(text).map_err(|_| FileReason::NotUtf8)?;
        Ok(self.format.read(text)?)
    }

    fn error(&self, reason: FileReason) -> Box<FileError> {
        Box::new(FileError { path: self.path.clone(), reason })
    }
}

/// What is kept of a look, to compare it with the next.
fn kept(text: &io::Result<Vec<u8>>) -> Result<Vec<u8>, io::ErrorKind> {
    text.as_ref().map_err(|error| error.kind()).cloned()
}

#[async_trait]
impl Source for FileSource {
    async fn load(&self) -> Result<Loaded, SourceError> {
        let text = self.settled().await;
        let kept = kept(&text);
        let mut last = self.last();
        if last.text.as_ref() != Some(&kept) {
            *last = Last { text: Some(kept), definitions: None };
        }
        let text = text.map_err(|error| SourceError::Unavailable(self.error(error.into())))?;
        let known = last.definitions.clone().map_or_else(|| self.read(&text), Ok);
        let definitions = known.map_err(|reason| SourceError::Unreadable(self.error(reason)))?;
        last.definitions = Some(definitions.clone());
        Ok(Loaded { definitions, revision: None })
    }

    async fn changed(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let text = self.text().await;
            if self.last().text != Some(kept(&text)) {
                return;
            }
        }
    }
}
