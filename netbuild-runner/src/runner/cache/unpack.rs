//! Unpacking an archive beside its place.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};

use super::archive::{Sink, read};
use super::caches::Places;
use super::entry::{Bounds, Entry, Kind, names, shown};
use super::error::{ArchiveError, Refused, Why};
use super::header::Header;
use super::inspect::Contents;
use super::link::Roots;
use super::place;

const BUFFER: usize = 64 << 10;

/// Unpacks the folders of an archive into the empty folder `into`, each under its [`root_name`](super::entry::root_name).
/// Links into `places` are made for them. After an error what is there is of no use. It blocks, and ends early once `interrupt` is true.
pub(super) fn unpack(
    archive: impl Read,
    bounds: Bounds,
    accept: impl FnOnce(&Header) -> Result<(), ArchiveError>,
    places: &Places,
    into: &Path,
    interrupt: &AtomicBool,
) -> Result<Contents, ArchiveError> {
    let root = place::open(into).map_err(ArchiveError::Disk)?;
    let roots = Roots::new(places);
    let (mut tree, admission) = read(archive, bounds, |header| {
        accept(header)?;
        Ok(Tree { root, roots, open: Vec::new(), buffer: vec![0; BUFFER], interrupt })
    })?;
    tree.close(0).map_err(ArchiveError::Disk)?;
    Ok(Contents::from(&admission))
}

/// The tree as it grows: the folders that lead to the entry before, each with its time.
struct Tree<'a> {
    root: OwnedFd,
    roots: Roots,
    open: Vec<(OwnedFd, u64)>,
    buffer: Vec<u8>,
    interrupt: &'a AtomicBool,
}

impl Sink for Tree<'_> {
    fn take(&mut self, depth: usize, entry: &Entry, content: &mut dyn Read) -> Result<(), ArchiveError> {
        self.go_on()?;
        self.close(depth).map_err(ArchiveError::Disk)?;
        let folder = self.open.last().map_or(&self.root, |(folder, _)| folder);
        let name = names(&entry.path).next_back().unwrap_or_default();
        match &entry.kind {
            Kind::Folder => {
                let folder = place::make_in(folder, name).map_err(ArchiveError::Disk)?;
                self.open.push((folder, entry.modified));
                Ok(())
            }
            Kind::Link(target) => rustix::fs::symlinkat(target.text(&self.roots), folder, name)
                .map_err(|error| ArchiveError::Disk(error.into())),
            Kind::HardLink(first) => self.hard_link(first, folder, name).map_err(|error| match error {
                None => Refused { path: shown(&entry.path), why: Why::HardLink }.into(),
                Some(error) => ArchiveError::Disk(error),
            }),
            Kind::File { executable, .. } => {
                let mode = Mode::from_raw_mode(if *executable { 0o755 } else { 0o644 });
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = rustix::fs::openat(folder, name, flags, mode);
                let file = File::from(file.map_err(|error| ArchiveError::Disk(error.into()))?);
                self.fill(&file, content)?;
                set_time(&file, entry.modified).map_err(ArchiveError::Disk)
            }
        }
    }
}

impl Tree<'_> {
    fn go_on(&self) -> Result<(), ArchiveError> {
        if self.interrupt.load(Ordering::Relaxed) { Err(ArchiveError::Interrupted) } else { Ok(()) }
    }

    /// Leaves all folders but the first `depth`: they are whole, so that their times hold.
    fn close(&mut self, depth: usize) -> io::Result<()> {
        self.open.drain(depth..).rev().try_for_each(|(folder, modified)| set_time(&folder, modified))
    }

    fn fill(&mut self, mut file: &File, content: &mut dyn Read) -> Result<(), ArchiveError> {
        loop {
            match content.read(&mut self.buffer).map_err(ArchiveError::Damaged)? {
                0 => return Ok(()),
                length => file.write_all(&self.buffer[..length]).map_err(ArchiveError::Disk)?,
            }
            self.go_on()?;
        }
    }

    /// Gives the file at `first`, on the way to which there may be no link, a second name. The error is `None` when there
    /// is no such file.
    fn hard_link(&self, first: &[u8], folder: &OwnedFd, name: &[u8]) -> Result<(), Option<io::Error>> {
        let missing = |_| None;
        let mut at = self.root.try_clone().map_err(Some)?;
        let mut way: Vec<&[u8]> = names(first).collect();
        let file = way.pop().unwrap_or_default();
        for name in way {
            at = place::open_in(&at, name).map_err(missing)?;
        }
        let is = rustix::fs::statat(&at, file, AtFlags::SYMLINK_NOFOLLOW).map_err(|_| None)?;
        if FileType::from_raw_mode(is.st_mode) != FileType::RegularFile {
            return Err(None);
        }
        rustix::fs::linkat(&at, file, folder, name, AtFlags::empty()).map_err(|error| Some(error.into()))
    }
}

fn set_time(file: impl std::os::fd::AsFd, modified: u64) -> io::Result<()> {
    // A time that no clock shows is as good as any.
    let time = Timespec { tv_sec: i64::try_from(modified).unwrap_or_default(), tv_nsec: 0 };
    Ok(rustix::fs::futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::runner::cache::inspect::inspect;
    use crate::runner::cache::link::Target;
    use crate::runner::cache::samples::{Sample, WIDE, append, archive, header, raw_archive};

    const FILE: Kind = Kind::File { bytes: 3, executable: false };

    fn link(text: &str) -> Kind {
        Kind::Link(Target::Text(text.as_bytes().to_vec()))
    }

    fn inside(path: &str) -> Kind {
        Kind::Link(Target::Inside(netbuild_core::model::CachePlace::Work, path.as_bytes().to_vec()))
    }

    fn hard(first: &str) -> Kind {
        Kind::HardLink(first.as_bytes().to_vec())
    }

    /// Both that read archives refuse it, and nothing of it is anywhere but in the folder for unpacking.
    fn refused(what: &str, archive: &[u8]) -> ArchiveError {
        let sample = Sample::new();
        let error = sample.unpack(archive).expect_err(what);
        for name in ["work", "home", "outside"] {
            assert_eq!(fs::read_dir(sample.path(name)).unwrap().count(), 0, "{what}");
        }
        error
    }

    #[test]
    fn archives_that_no_walk_makes_are_refused() {
        let table = [
            ("leaves by ..", vec![("000", Kind::Folder), ("000/../../outside/x", FILE)]),
            ("absolute", vec![("000", Kind::Folder), ("/tmp/x", FILE)]),
            ("through a link", vec![("000", Kind::Folder), ("000/l", link("..")), ("000/l/x", FILE)]),
            ("over a link", vec![("000", Kind::Folder), ("000/l", link("x")), ("000/l", FILE)]),
            ("twice", vec![("000", Kind::Folder), ("000/a", FILE), ("000/a", FILE)]),
            ("through a link out", vec![("000", Kind::Folder), ("000/l", link("../../outside")), ("000/l/x", FILE)]),
            ("through one to the root", vec![("000", Kind::Folder), ("000/l", link("/tmp")), ("000/l/x", FILE)]),
            ("into the workspace", vec![("000", Kind::Folder), ("000/l", inside("")), ("000/l/x", FILE)]),
            (
                "a folder over a link",
                vec![("000", Kind::Folder), ("000/l", link("../../outside")), ("000/l", Kind::Folder)],
            ),
            (
                "over a link to a new file",
                vec![("000", Kind::Folder), ("000/l", link("../../outside/x")), ("000/l", FILE)],
            ),
            ("a link of no runner", vec![("000", Kind::Folder), ("000/l", link("//etc/passwd"))]),
            ("an empty link", vec![("000", Kind::Folder), ("000/l", link(""))]),
            ("second name of nothing", vec![("000", Kind::Folder), ("000/b", hard("000/a"))]),
            ("of a link", vec![("000", Kind::Folder), ("000/a", link("x")), ("000/b", hard("000/a"))]),
            ("of a folder", vec![("000", Kind::Folder), ("000/a", Kind::Folder), ("000/b", hard("000/a"))]),
            (
                "of something behind a link",
                vec![
                    ("000", Kind::Folder),
                    ("000/a", Kind::Folder),
                    ("000/a/x", FILE),
                    ("000/b", link("a")),
                    ("000/c", hard("000/b/x")),
                ],
            ),
        ];
        for (what, entries) in table {
            assert!(matches!(refused(what, &archive(&entries)), ArchiveError::Refused(_)), "{what}");
        }
    }

    #[test]
    fn kinds_and_modes_that_are_never_packed_are_refused() {
        let table = [
            ("000/dev", tar::EntryType::Char, 0o644, 0),
            ("000/dev", tar::EntryType::Block, 0o644, 0),
            ("000/pipe", tar::EntryType::Fifo, 0o644, 0),
            ("000/sparse", tar::EntryType::GNUSparse, 0o644, 0),
            ("000/pax", tar::EntryType::XHeader, 0o644, 0),
            ("000/pax", tar::EntryType::XGlobalHeader, 0o644, 0),
            ("000/contiguous", tar::EntryType::Continuous, 0o644, 0),
            ("000/setuid", tar::EntryType::Regular, 0o4755, 0),
            ("000/setgid", tar::EntryType::Directory, 0o2755, 0),
            ("000/long", tar::EntryType::GNULongName, 0o644, 5_000),
            ("000/short", tar::EntryType::GNULongName, 0o644, 5),
            ("000/folder", tar::EntryType::Directory, 0o755, 1),
        ];
        for (path, kind, mode, bytes) in table {
            let archive = raw_archive(|builder| append(builder, path, kind, mode, &vec![b'x'; bytes]));
            assert!(matches!(refused(path, &archive), ArchiveError::Refused(_)), "{path} {kind:?}");
            assert!(inspect(archive.as_slice(), WIDE).is_err());
        }
    }

    #[test]
    fn an_archive_that_expands_beyond_its_bounds_is_refused_before_it_does() {
        let large = Kind::File { bytes: WIDE.bytes + 1, executable: false };
        let bomb = archive(&[("000", Kind::Folder), ("000/a", large)]);
        assert!(bomb.len() < 10_000, "it is small until then");
        let sample = Sample::new();
        let error = sample.unpack(&bomb).unwrap_err();
        assert!(matches!(&error, ArchiveError::Refused(refused) if refused.why == Why::Bytes(WIDE.bytes)), "{error}");
        assert_eq!(sample.unpacked(), ["000/ 755"], "not a byte of it was written");

        let names: Vec<String> = (0..WIDE.files).map(|number| format!("000/{number:04}")).collect();
        let many = [("000", Kind::Folder)].into_iter().chain(names.iter().map(|name| (name.as_str(), Kind::Folder)));
        assert!(matches!(refused("many", &archive(&many.collect::<Vec<_>>())), ArchiveError::Refused(_)));
    }

    #[test]
    fn a_frame_that_asks_for_more_memory_than_ours_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        assert!(matches!(refused("window", &encoder.finish().unwrap()), ArchiveError::Damaged(_)));
    }

    #[test]
    fn a_damaged_or_cut_archive_is_never_taken_for_whole() {
        let whole = archive(&[("000", Kind::Folder), ("000/a", FILE), ("000/b", FILE)]);
        assert!(inspect(whole.as_slice(), WIDE).is_ok());
        for length in 0..whole.len() {
            assert!(inspect(&whole[..length], WIDE).is_err(), "cut after {length} of {}", whole.len());
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            // A bit of the frame's own description may mean nothing to what it holds.
            if let Ok((found, contents)) = inspect(damaged.as_slice(), WIDE) {
                assert_eq!((found, contents), (header(), Contents { files: 3, bytes: 6 }), "at {at}");
            }
        }
        let cut_tar = |blocks: usize| {
            let tar = zstd::decode_all(whole.as_slice()).unwrap();
            zstd::encode_all(&tar[..tar.len() - blocks * 512], 3).unwrap()
        };
        for blocks in 1..=3 {
            refused("the tar inside is cut", &cut_tar(blocks));
        }
        let longer = [zstd::decode_all(whole.as_slice()).unwrap(), vec![0; 512]].concat();
        refused("it goes on", &zstd::encode_all(longer.as_slice(), 3).unwrap());
        assert!(matches!(refused("nothing", b""), ArchiveError::Damaged(_) | ArchiveError::NoHeader));
        assert!(matches!(refused("no archive", &zstd::encode_all(&b"x"[..], 3).unwrap()), ArchiveError::Damaged(_)));
    }

    #[test]
    fn a_header_that_is_not_accepted_ends_it_before_anything_is_written() {
        let sample = Sample::new();
        let archive = archive(&[("000", Kind::Folder)]);
        let accept = |_: &Header| Err(ArchiveError::Foreign);
        let error =
            unpack(archive.as_slice(), WIDE, accept, &sample.places(), &sample.path("into"), &AtomicBool::new(false));
        assert!(matches!(error, Err(ArchiveError::Foreign)));
        assert!(sample.unpacked().is_empty());
    }

    #[test]
    fn an_interrupt_ends_it() {
        let sample = Sample::new();
        let archive = archive(&[("000", Kind::Folder)]);
        let error = unpack(
            archive.as_slice(),
            WIDE,
            |_| Ok(()),
            &sample.places(),
            &sample.path("into"),
            &AtomicBool::new(true),
        );
        assert!(matches!(error, Err(ArchiveError::Interrupted)));
    }
}
