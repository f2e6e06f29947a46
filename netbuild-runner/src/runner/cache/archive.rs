//! The archive's format: GNU tar in one frame of zstd. The header is the first file; only what is written here is read.

use std::io::{self, BufRead, BufReader, Read, Write};

use tar::EntryType;

use super::entry::{Admission, Bounds, Entry, Kind, shown};
use super::error::{ArchiveError, Refused, Why};
use super::header::{Header, MAX_FOLDERS};
use super::link::Target;

/// The name of the header's file.
const HEADER_NAME: &[u8] = b"netbuild-cache.json";

/// The most bytes of a header: a hundred folders with the longest paths.
const MAX_HEADER_BYTES: u64 = 256 << 10;

/// The most bytes of a name in a tar header; longer ones have an entry of their own before it.
const SHORT: usize = 100;

/// The most bytes of a long name: no path and no link's text is longer.
const LONG: u64 = 4096;

/// The name of an entry that has a longer name than fits.
const LONG_NAME: &[u8] = b"././@LongLink";

const BLOCK: usize = 512;

/// zstd's own default: little work, and about half to a quarter of the bytes of code.
const LEVEL: i32 = 3;

/// The largest window of a frame that is read, as a power of two in bytes: what the level above uses at most, with room.
/// It bounds the memory for reading.
const MAX_WINDOW_LOG: u32 = 23;

const BUFFER: usize = 64 << 10;

/// Writes an archive.
pub(super) struct Writer<W: Write> {
    out: zstd::Encoder<'static, W>,
}

impl<W: Write> Writer<W> {
    /// Begins an archive with its header.
    pub(super) fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut out = zstd::Encoder::new(out, LEVEL)?;
        out.include_checksum(true)?;
        let mut writer = Writer { out };
        let json = serde_json::to_vec(header)?;
        writer.block(HEADER_NAME, EntryType::Regular, json.len() as u64, 0o644, 0, b"")?;
        writer.content(&mut json.as_slice(), json.len() as u64)?;
        Ok(writer)
    }

    /// Writes an entry. `content` is read for a file, and has to have exactly its bytes.
    pub(super) fn put(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let (path, time) = (&entry.path, entry.modified);
        match &entry.kind {
            Kind::Folder => self.block(path, EntryType::Directory, 0, 0o755, time, b""),
            Kind::Link(target) => self.block(path, EntryType::Symlink, 0, 0o777, time, &target.encode()),
            Kind::HardLink(first) => self.block(path, EntryType::Link, 0, 0o644, time, first),
            Kind::File { bytes, executable } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                self.block(path, EntryType::Regular, *bytes, mode, time, b"")?;
                self.content(content, *bytes)
            }
        }
    }

    /// Ends the archive and gives back what it was written into.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.finish()
    }

    fn block(&mut self, name: &[u8], kind: EntryType, size: u64, mode: u32, time: u64, link: &[u8]) -> io::Result<()> {
        for (text, kind) in [(name, EntryType::GNULongName), (link, EntryType::GNULongLink)] {
            if text.len() > SHORT {
                self.block(LONG_NAME, kind, text.len() as u64, 0o644, 0, b"")?;
                self.content(&mut &*text, text.len() as u64)?;
            }
        }
        let mut header = tar::Header::new_gnu();
        let fields = header.as_gnu_mut().expect("it was made as one");
        let short = |text: &[u8]| text.len().min(SHORT);
        fields.name[..short(name)].copy_from_slice(&name[..short(name)]);
        fields.linkname[..short(link)].copy_from_slice(&link[..short(link)]);
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(mode);
        header.set_mtime(time);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    fn content(&mut self, content: &mut dyn Read, bytes: u64) -> io::Result<()> {
        if io::copy(&mut content.take(bytes), &mut self.out)? != bytes || content.read(&mut [0])? != 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its length changed while it was read"));
        }
        let padding = bytes.next_multiple_of(BLOCK as u64) - bytes;
        io::copy(&mut io::repeat(0).take(padding), &mut self.out).map(drop)
    }
}

/// What takes the entries of an archive, each of which has been admitted.
pub(super) trait Sink {
    /// Takes an entry to which `depth` folders lead. What it does not read of a file's content is skipped.
    fn take(&mut self, depth: usize, entry: &Entry, content: &mut dyn Read) -> Result<(), ArchiveError>;
}

/// Reads an archive to its end: checks its header with `accept`, admits each entry within `bounds`, and gives it to the
/// sink that `accept` made. Tells the sink and how much it took.
pub(super) fn read<S: Sink>(
    archive: impl Read,
    bounds: Bounds,
    accept: impl FnOnce(&Header) -> Result<S, ArchiveError>,
) -> Result<(S, Admission), ArchiveError> {
    let mut frame = zstd::Decoder::new(archive).map_err(ArchiveError::Damaged)?.single_frame();
    frame.window_log_max(MAX_WINDOW_LOG).map_err(ArchiveError::Damaged)?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(BUFFER, frame));
    let mut entries = archive.entries().map_err(ArchiveError::Damaged)?.raw(true);

    let header = match entries.next() {
        Some(first) => read_header(first.map_err(ArchiveError::Damaged)?)?,
        None => return Err(ArchiveError::NoHeader),
    };
    let mut sink = accept(&header)?;
    let mut admission = Admission::new(bounds, &header.folders);
    let mut long = Long::default();
    for entry in entries {
        let mut raw = entry.map_err(ArchiveError::Damaged)?;
        if long.take(&mut raw)? {
            continue;
        }
        let entry = decode(&raw, std::mem::take(&mut long))?;
        let depth = admission.admit(&entry)?;
        sink.take(depth, &entry, &mut raw)?;
    }
    end(archive.into_inner())?;
    Ok((sink, admission))
}

fn read_header<R: Read>(file: tar::Entry<'_, R>) -> Result<Header, ArchiveError> {
    if *file.path_bytes() != *HEADER_NAME || file.size() > MAX_HEADER_BYTES {
        return Err(ArchiveError::NoHeader);
    }
    let mut json = Vec::new();
    file.take(MAX_HEADER_BYTES).read_to_end(&mut json).map_err(ArchiveError::Damaged)?;
    let header: Header = serde_json::from_slice(&json).map_err(|_| ArchiveError::NoHeader)?;
    if header.folders.len() > MAX_FOLDERS { Err(ArchiveError::NoHeader) } else { Ok(header) }
}

/// The long names that belong to the next entry.
#[derive(Default)]
struct Long {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Long {
    /// Takes an entry that is only a name; false for any other.
    fn take<R: Read>(&mut self, raw: &mut tar::Entry<'_, R>) -> Result<bool, ArchiveError> {
        let place = match raw.header().entry_type() {
            EntryType::GNULongName => &mut self.name,
            EntryType::GNULongLink => &mut self.link,
            _ => return Ok(false),
        };
        if place.is_some() || raw.size() <= SHORT as u64 || raw.size() > LONG {
            return Err(refused(&raw.path_bytes(), Why::Path));
        }
        let mut text = Vec::new();
        raw.read_to_end(&mut text).map_err(ArchiveError::Damaged)?;
        *place = Some(text);
        Ok(true)
    }
}

fn decode<R: Read>(raw: &tar::Entry<'_, R>, long: Long) -> Result<Entry, ArchiveError> {
    let header = raw.header();
    let path = long.name.unwrap_or_else(|| raw.path_bytes().into_owned());
    let link = long.link.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned());
    let number = |number: io::Result<u64>| number.map_err(ArchiveError::Damaged);
    let mode = number(header.mode().map(u64::from))?;
    let kind = match (header.entry_type(), mode, raw.size()) {
        (EntryType::Directory, 0o755, 0) if link.is_empty() => Kind::Folder,
        (EntryType::Regular, 0o644 | 0o755, bytes) if link.is_empty() => {
            Kind::File { bytes, executable: mode == 0o755 }
        }
        (EntryType::Symlink, 0o777, 0) => Kind::Link(Target::decode(&link).ok_or_else(|| refused(&path, Why::Link))?),
        (EntryType::Link, 0o644, 0) => Kind::HardLink(link),
        _ => return Err(refused(&path, Why::Kind)),
    };
    if header.as_gnu().is_none() {
        return Err(refused(&path, Why::Kind));
    }
    Ok(Entry { path, kind, modified: number(header.mtime())? })
}

fn refused(path: &[u8], why: Why) -> ArchiveError {
    Refused { path: shown(path), why }.into()
}

/// An archive ends with two empty blocks, of which one has been read, and then with its frame, whose checksum is only
/// known there.
fn end(mut frame: impl BufRead) -> Result<(), ArchiveError> {
    let damaged = |text| ArchiveError::Damaged(io::Error::new(io::ErrorKind::InvalidData, text));
    let mut block = [0xff; BLOCK];
    frame.read_exact(&mut block).map_err(ArchiveError::Damaged)?;
    if block != [0; BLOCK] {
        return Err(damaged("it does not end where it should"));
    }
    match frame.read(&mut block).map_err(ArchiveError::Damaged)? {
        0 => Ok(()),
        _ => Err(damaged("it goes on behind its end")),
    }
}
