//! Looking at an archive without unpacking it.

use std::io::Read;

use super::archive::{Sink, read};
use super::entry::{Admission, Bounds, Entry};
use super::error::ArchiveError;
use super::header::Header;

/// How much an archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its entries, folders and links included.
    pub files: u64,
    /// The bytes of its files, unpacked.
    pub bytes: u64,
}

impl From<&Admission> for Contents {
    fn from(admission: &Admission) -> Self {
        Contents { files: admission.files(), bytes: admission.bytes() }
    }
}

/// Reads an archive to its end by the rules of a restore, and writes nothing: for whoever wants to know what a cache
/// holds, or whether a runner would take it. Whatever it is given, it needs little memory.
///
/// # Errors
/// [`ArchiveError`], any but [`Foreign`](ArchiveError::Foreign), [`Disk`](ArchiveError::Disk) and
/// [`Interrupted`](ArchiveError::Interrupted).
pub fn inspect(archive: impl Read, bounds: Bounds) -> Result<(Header, Contents), ArchiveError> {
    let (Look(header), admission) = read(archive, bounds, |header| Ok(Look(header.clone())))?;
    Ok((header, Contents::from(&admission)))
}

struct Look(Header);

impl Sink for Look {
    fn take(&mut self, _depth: usize, _entry: &Entry, _content: &mut dyn Read) -> Result<(), ArchiveError> {
        Ok(())
    }
}
