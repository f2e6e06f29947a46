//! Archives, the form in which files go into containers and come out of them.

use std::io;
use std::ops::ControlFlow;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, pin_mut};

use super::daemon::DaemonError;

/// The length of the blocks that archives are made of.
const BLOCK: usize = 512;

/// The most bytes that come before the contents of a file: its header, and extensions of it.
const MAX_HEADERS: usize = 64 << 10;

/// An archive that ends before it should, or is none.
#[derive(Debug, thiserror::Error)]
#[error("the daemon's archive of a file cannot be read")]
pub(super) struct TornArchive(#[from] io::Error);

/// A file to be put into a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedFile<'a> {
    pub(super) name: &'a str,
    pub(super) mode: u32,
    pub(super) bytes: &'a [u8],
}

/// Packs files that belong to root.
///
/// # Errors
/// A name that is too long for an archive.
pub(super) fn pack(files: &[PackedFile<'_>]) -> io::Result<Bytes> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.bytes.len() as u64);
        header.set_mode(file.mode);
        archive.append_data(&mut header, file.name, file.bytes)?;
    }
    Ok(archive.into_inner()?.into())
}

/// An archive of nothing.
pub(super) fn empty() -> Bytes {
    vec![0; 2 * BLOCK].into()
}

/// At most `max` bytes of the one file in an archive, from an offset on. Reads no more of the archive than it must.
pub(super) async fn read_file(
    archive: impl Stream<Item = Result<Bytes, DaemonError>>,
    from: u64,
    max: usize,
) -> Result<Bytes, DaemonError> {
    pin_mut!(archive);
    let mut head = BytesMut::new();
    let (length, begin) = loop {
        match parse_head(&head)? {
            ControlFlow::Break(found) => break found,
            ControlFlow::Continue(()) => match archive.next().await {
                Some(piece) => head.extend_from_slice(&piece?),
                None => return Err(TornArchive(io::ErrorKind::UnexpectedEof.into()).into()),
            },
        }
    };
    let mut left = length.saturating_sub(from).min(max as u64);
    let mut skip = from.min(length);
    let mut bytes = BytesMut::new();
    let mut piece = head.split_off(begin).freeze();
    while left > 0 {
        let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
        skip -= skipped as u64;
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len() - skipped);
        bytes.extend_from_slice(&piece[skipped..skipped + taken]);
        left -= taken as u64;
        if left > 0 {
            piece = match archive.next().await {
                Some(piece) => piece?,
                None => return Err(TornArchive(io::ErrorKind::UnexpectedEof.into()).into()),
            };
        }
    }
    Ok(bytes.freeze())
}

/// The length of the first file and where its contents begin, once enough of the archive is there.
fn parse_head(head: &[u8]) -> Result<ControlFlow<(u64, usize)>, TornArchive> {
    let whole = head.len() / BLOCK * BLOCK;
    if whole == 0 {
        return Ok(ControlFlow::Continue(()));
    }
    let mut archive = tar::Archive::new(&head[..whole]);
    let mut found = None;
    for entry in archive.entries()? {
        match entry {
            Ok(entry) if entry.header().entry_type().is_file() => {
                found = Some((entry.size(), entry.raw_file_position()));
                break;
            }
            Ok(_) => {}
            // It may only be that more must come.
            Err(_) if head.len() < MAX_HEADERS => return Ok(ControlFlow::Continue(())),
            Err(error) => return Err(error.into()),
        }
    }
    match found {
        Some((length, begin)) => Ok(ControlFlow::Break((length, usize::try_from(begin).unwrap_or(usize::MAX)))),
        None if head.len() < MAX_HEADERS => Ok(ControlFlow::Continue(())),
        None => Err(TornArchive(io::ErrorKind::InvalidData.into())),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn pieces(archive: &Bytes, size: usize) -> impl Stream<Item = Result<Bytes, DaemonError>> {
        let pieces: Vec<_> = archive.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        stream::iter(pieces)
    }

    #[tokio::test]
    async fn a_part_of_a_file_is_read_however_the_archive_comes() {
        let contents: Vec<u8> = (0..5_000_u32).map(|n| (n % 251) as u8).collect();
        let long = format!("{}/log", "d".repeat(150));
        for name in ["log", &long] {
            let archive = pack(&[PackedFile { name, mode: 0o600, bytes: &contents }]).unwrap();
            for size in [1, 7, 512, 513, 100_000] {
                for (from, max) in
                    [(0, 10), (0, 100_000), (4_990, 100), (5_000, 10), (9_000, 10), (100, 0), (513, 2_000)]
                {
                    let read = read_file(pieces(&archive, size), from, max).await.unwrap();
                    let start = contents.len().min(usize::try_from(from).unwrap());
                    let end = contents.len().min(start + max);
                    assert_eq!(read, contents[start..end], "{name} {size} {from} {max}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_torn_archive_is_an_error() {
        let archive = pack(&[PackedFile { name: "log", mode: 0o600, bytes: &[1; 3_000] }]).unwrap();
        for length in [0, 100, 512, 2_000] {
            let torn = archive.slice(..length);
            assert!(read_file(pieces(&torn, 512), 0, 3_000).await.is_err(), "{length}");
        }
        assert!(read_file(pieces(&empty(), 512), 0, 1).await.is_err(), "no file in it");
        let noise = Bytes::from(vec![b'x'; 100_000]);
        assert!(read_file(pieces(&noise, 4_096), 0, 1).await.is_err());
    }

    #[tokio::test]
    async fn no_more_is_read_than_is_asked_for() {
        let archive = pack(&[PackedFile { name: "log", mode: 0o600, bytes: &[1; 3_000] }]).unwrap();
        let first = archive.slice(..1_024);
        let never = stream::once(std::future::pending::<Result<Bytes, DaemonError>>());
        let read = read_file(stream::iter([Ok(first)]).chain(never), 0, 512).await.unwrap();
        assert_eq!(read.len(), 512);
    }
}
