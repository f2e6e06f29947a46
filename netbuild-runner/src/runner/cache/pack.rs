//! Packing the folders that a command left.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, Stat};

use super::archive::Writer;
use super::caches::Places;
use super::entry::{Admission, Bounds, Entry, Kind, root_name};
use super::error::Refused;
use super::header::{Header, MAX_FOLDERS};
use super::inspect::Contents;
use super::interrupt::Interruptible;
use super::link::{Roots, Target};
use super::place;

/// Why folders are not packed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotPacked {
    #[error("the command has made none of its folders")]
    Nothing,
    #[error("{path} is no folder, or lies behind something else")]
    NoFolder { path: String },
    #[error("a cache has at most {MAX_FOLDERS} folders")]
    TooManyFolders,
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: String, source: io::Error },
    #[error("{path} belongs to another user than the command's")]
    NotTheirs { path: String },
    #[error("the archive cannot be written: {0}")]
    Disk(#[source] io::Error),
    #[error("the folders were not read to their end")]
    Interrupted,
}

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) contents: Contents,
    pub(super) left_out: LeftOut,
}

/// What is of a kind that is not kept: pipes, sockets and devices; and of the folders to keep, those that are none, or that
/// lie behind a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) count: u64,
    /// The first paths of it.
    pub(super) named: Vec<String>,
}

/// The most paths of what was left out that are told.
const MAX_NAMED: usize = 5;

/// Packs the folders of `header` as they are in their places into an archive; the same folders always become the same
/// bytes. Nothing may write to them any more. `owner`: the only user whose files may be packed, as the others are none
/// that the command could have made. It blocks, and ends early with an error once `interrupt` is true.
pub(super) fn pack(
    header: &Header,
    places: &Places,
    bounds: Bounds,
    owner: Option<u32>,
    out: impl Write,
    interrupt: &AtomicBool,
) -> Result<Packed, NotPacked> {
    if header.folders.len() > MAX_FOLDERS {
        return Err(NotPacked::TooManyFolders);
    }
    let mut packing = Packing {
        out: Writer::new(out, header).map_err(NotPacked::Disk)?,
        admission: Admission::new(bounds, &header.folders),
        bounds,
        owner,
        roots: Roots::new(places),
        first_names: BTreeMap::new(),
        left_out: LeftOut::default(),
        interrupt,
    };
    for (index, path) in header.folders.iter().enumerate() {
        let unreadable = |source| NotPacked::Unreadable { path: path.to_string(), source };
        let place = place::open(places.of(path.place())).map_err(unreadable)?;
        match place::find(place, path) {
            Ok(Some(folder)) => packing.folder(folder, root_name(index).into_bytes())?,
            Ok(None) => {}
            Err(error) if place::is_none(&error) => packing.leave_out(root_name(index).as_bytes()),
            Err(error) => return Err(unreadable(error)),
        }
    }
    let contents = Contents::from(&packing.admission);
    if contents.files == 0 {
        return Err(match packing.left_out.named.pop() {
            Some(path) => NotPacked::NoFolder { path },
            None => NotPacked::Nothing,
        });
    }
    packing.out.finish().map_err(NotPacked::Disk)?;
    Ok(Packed { contents, left_out: packing.left_out })
}

struct Packing<'a, W: Write> {
    out: Writer<W>,
    admission: Admission,
    bounds: Bounds,
    owner: Option<u32>,
    roots: Roots,
    /// The path of the first name of each file that has several, by device and inode.
    first_names: BTreeMap<(u64, u64), Vec<u8>>,
    left_out: LeftOut,
    interrupt: &'a AtomicBool,
}

impl<W: Write> Packing<'_, W> {
    /// Packs a folder and all below it. It calls itself for folders in it, as deep as entries are admitted.
    fn folder(&mut self, folder: OwnedFd, path: Vec<u8>) -> Result<(), NotPacked> {
        let stat = rustix::fs::fstat(&folder).map_err(|error| self.unreadable(&path, error))?;
        self.put(&stat, path.clone(), Kind::Folder, &mut io::empty())?;
        for name in self.names(&folder).map_err(|error| self.unreadable(&path, error))? {
            let path = [path.as_slice(), b"/", &name].concat();
            let stat = rustix::fs::statat(&folder, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| self.unreadable(&path, error))?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let folder = place::open_in(&folder, &name).map_err(|error| self.unreadable(&path, error))?;
                    self.folder(folder, path)?;
                }
                FileType::Symlink => {
                    let text = rustix::fs::readlinkat(&folder, name.as_slice(), Vec::new())
                        .map_err(|error| self.unreadable(&path, error))?;
                    let target = Target::of(text.to_bytes(), &self.roots);
                    self.put(&stat, path, Kind::Link(target), &mut io::empty())?;
                }
                FileType::RegularFile => self.file(&folder, &name, path)?,
                _ => self.leave_out(&path),
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &[u8]) {
        self.left_out.count += 1;
        if self.left_out.named.len() < MAX_NAMED {
            self.left_out.named.push(self.admission.shown(path));
        }
    }

    fn file(&mut self, folder: impl AsFd, name: &[u8], path: Vec<u8>) -> Result<(), NotPacked> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let file = place::open_file(folder, name).and_then(|file| file.ok_or_else(gone));
        let file = file.map_err(|error| self.unreadable(&path, error))?;
        let stat = rustix::fs::fstat(&file).map_err(|error| self.unreadable(&path, error))?;
        if stat.st_nlink > 1 {
            let id = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.first_names.get(&id).cloned() {
                return self.put(&stat, path, Kind::HardLink(first), &mut io::empty());
            }
            self.first_names.insert(id, path.clone());
        }
        let bytes = u64::try_from(stat.st_size).unwrap_or_default();
        let executable = stat.st_mode & 0o100 != 0;
        let mut content: Interruptible<'_, File> = Interruptible { inner: file, interrupt: self.interrupt };
        self.put(&stat, path, Kind::File { bytes, executable }, &mut content)
    }

    fn put(&mut self, stat: &Stat, path: Vec<u8>, kind: Kind, content: &mut dyn io::Read) -> Result<(), NotPacked> {
        if self.interrupt.load(Ordering::Relaxed) {
            return Err(NotPacked::Interrupted);
        }
        if self.owner.is_some_and(|owner| owner != stat.st_uid) {
            return Err(NotPacked::NotTheirs { path: self.admission.shown(&path) });
        }
        let modified = u64::try_from(stat.st_mtime).unwrap_or_default();
        let entry = Entry { path, kind, modified };
        self.admission.admit(&entry)?;
        self.out.put(&entry, content).map_err(NotPacked::Disk)
    }

    /// The names in a folder, in their order; when there are more than can be admitted, only so many that it shows.
    fn names(&self, folder: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
        let most = usize::try_from(self.bounds.files).unwrap_or(usize::MAX).saturating_add(1);
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if !matches!(name.as_slice(), b"." | b"..") {
                names.push(name);
            }
            if names.len() >= most {
                break;
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn unreadable(&self, path: &[u8], error: impl Into<io::Error>) -> NotPacked {
        NotPacked::Unreadable { path: self.admission.shown(path), source: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::runner::cache::samples::{Sample, WIDE};

    #[test]
    fn folders_come_back_as_they_were_but_for_modes_that_matter_to_nobody() {
        let sample = Sample::new();
        sample.write("work/node_modules/a/index.js", "a");
        sample.write("work/node_modules/a/cli.js", "cli");
        sample.write("work/node_modules/a.b", "next to a");
        fs::create_dir(sample.path("work/node_modules/.bin")).unwrap();
        symlink("../a/cli.js", sample.path("work/node_modules/.bin/a")).unwrap();
        symlink("../packages/own", sample.path("work/node_modules/own")).unwrap();
        sample.write("home/.cargo/registry/read-only/file", "r");
        let first = sample.path("work/node_modules/a/index.js");
        fs::hard_link(first, sample.path("work/node_modules/b")).unwrap();
        let long = format!("work/node_modules/{}/{}", "d".repeat(120), "f".repeat(200));
        sample.write(&long, "long");
        sample.chmod("work/node_modules/a/cli.js", 0o4755);
        sample.chmod("work/node_modules/a/index.js", 0o640);
        sample.chmod("home/.cargo/registry/read-only/file", 0o444);
        sample.chmod("home/.cargo/registry/read-only", 0o555);

        let (archive, packed) = sample.pack(WIDE, None).unwrap();
        assert_eq!(packed, Packed { contents: Contents { files: 14, bytes: 18 }, left_out: LeftOut::default() });
        assert_eq!(sample.unpack(&archive).unwrap(), packed.contents);
        let long = long.strip_prefix("work/node_modules/").unwrap();
        let (long_folder, _) = long.split_once('/').unwrap();
        assert_eq!(
            sample.unpacked(),
            [
                "000/ 755",
                "000/.bin/ 755",
                "000/.bin/a -> ../a/cli.js",
                "000/a/ 755",
                "000/a/cli.js 755 cli",
                "000/a/index.js 644 a",
                "000/a.b 644 next to a",
                "000/b 644 a",
                &format!("000/{long_folder}/ 755"),
                &format!("000/{long} 644 long"),
                "000/own -> ../packages/own",
                "001/ 755",
                "001/read-only/ 755",
                "001/read-only/file 644 r",
            ]
        );
        sample.chmod("home/.cargo/registry/read-only", 0o755);
        let same = |name: &str, other: &str| {
            let (one, other) = (fs::metadata(sample.path(name)).unwrap(), fs::metadata(sample.path(other)).unwrap());
            assert_eq!(rustix_mtime(&one), rustix_mtime(&other), "{name}");
        };
        same("into/000/a", "work/node_modules/a");
        same("into/000/a/cli.js", "work/node_modules/a/cli.js");
    }

    fn rustix_mtime(metadata: &fs::Metadata) -> i64 {
        std::os::unix::fs::MetadataExt::mtime(metadata)
    }

    #[test]
    fn the_same_folders_become_the_same_bytes() {
        let pack = |names: [&str; 3]| {
            let sample = Sample::new();
            for name in names {
                sample.write(&format!("work/node_modules/{name}"), name);
                let file = fs::File::open(sample.path(&format!("work/node_modules/{name}"))).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            }
            let folder = fs::File::open(sample.path("work/node_modules")).unwrap();
            folder.set_modified(std::time::UNIX_EPOCH).unwrap();
            sample.pack(WIDE, None).unwrap().0
        };
        assert_eq!(pack(["a", "b", "c"]), pack(["c", "a", "b"]));
    }

    #[test]
    fn a_version_managers_links_lead_to_the_same_places_in_another_attempt() {
        let (first, second) = (Sample::new(), Sample::new());
        let (work, registry) = (first.path("work"), first.path("home/.cargo/registry"));
        first.write("work/node_modules/dep", "");
        first.write("home/.cargo/registry/v1/bin/tool", "v1");
        first.write("home/.cargo/registry/v2/bin/tool", "v2");
        symlink(registry.join("v1"), registry.join("current")).unwrap();
        symlink(registry.join("../registry/v2"), registry.join("next")).unwrap();
        symlink(work.join("node_modules/dep"), registry.join("to-work")).unwrap();
        symlink("../../../work/node_modules/dep", registry.join("to-work-relative")).unwrap();
        symlink(&registry, work.join("node_modules/tools")).unwrap();

        let (archive, packed) = first.pack(WIDE, None).unwrap();
        assert_eq!(packed.left_out, LeftOut::default());
        second.unpack(&archive).unwrap();
        let (work, home) = (second.path("work"), second.path("home"));
        let (work, home) = (work.display(), home.display());
        let links: Vec<_> = second.unpacked().into_iter().filter(|line| line.contains(" -> ")).collect();
        assert_eq!(
            links,
            [
                format!("000/tools -> {home}/.cargo/registry"),
                format!("001/current -> {home}/.cargo/registry/v1"),
                format!("001/next -> {home}/.cargo/registry/../registry/v2"),
                format!("001/to-work -> {work}/node_modules/dep"),
                "001/to-work-relative -> ../../../work/node_modules/dep".to_owned(),
            ]
        );
    }

    #[test]
    fn links_that_lead_out_are_kept_as_they_are_and_never_followed() {
        let sample = Sample::new();
        sample.write("outside/secret", "read by nobody");
        sample.write("work/node_modules/a/x", "");
        let out = sample.path("outside").display().to_string();
        let secret = format!("{out}/secret");
        let texts = ["/usr/bin/python3", "../../outside", &out, &secret, "a/../../../outside", "/proc/self/root", "."];
        for (number, text) in texts.iter().enumerate() {
            symlink(text, sample.path(&format!("work/node_modules/l{number}"))).unwrap();
        }
        let (archive, packed) = sample.pack(WIDE, None).unwrap();
        assert_eq!(packed.contents, Contents { files: 3 + texts.len() as u64, bytes: 0 }, "no content but its own");
        sample.unpack(&archive).unwrap();
        let links: Vec<_> = sample.unpacked().into_iter().filter(|line| line.contains(" -> ")).collect();
        let expected = texts.iter().enumerate().map(|(number, text)| format!("000/l{number} -> {text}"));
        assert_eq!(links, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_folder_that_is_a_link_or_lies_behind_one_is_not_followed() {
        type Make = fn(&Sample);
        let table: [(Make, &str); 3] = [
            (|sample| symlink("../outside", sample.path("work/node_modules")).unwrap(), "node_modules"),
            (|sample| symlink("../outside", sample.path("home/.cargo")).unwrap(), "~/.cargo/registry"),
            (|sample| sample.write("work/node_modules", ""), "node_modules"),
        ];
        for (make, left_out) in table {
            let sample = Sample::new();
            sample.write("outside/registry/secret", "x");
            make(&sample);
            let nothing = sample.pack(WIDE, None);
            assert!(matches!(&nothing, Err(NotPacked::NoFolder { path }) if path == left_out), "{nothing:?}");
            let other = if left_out == "node_modules" { "home/.cargo/registry/x" } else { "work/node_modules/x" };
            sample.write(other, "kept");
            let (_, packed) = sample.pack(WIDE, None).unwrap();
            assert_eq!(packed.left_out, LeftOut { count: 1, named: vec![left_out.to_owned()] });
            assert_eq!(packed.contents, Contents { files: 2, bytes: 4 }, "the other folder is kept");
        }
    }

    #[test]
    fn what_has_no_content_is_left_out_and_named() {
        let sample = Sample::new();
        sample.write("work/node_modules/a", "");
        let _socket = std::os::unix::net::UnixListener::bind(sample.path("work/node_modules/socket")).unwrap();
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, sample.path("work/node_modules/pipe"), FileType::Fifo, mode, 0).unwrap();
        for number in 0..9 {
            let path = sample.path(&format!("work/node_modules/z{number}"));
            rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0).unwrap();
        }
        let (archive, packed) = sample.pack(WIDE, None).unwrap();
        let named = ["pipe", "socket", "z0", "z1", "z2"].map(|name| format!("node_modules/{name}"));
        assert_eq!(packed.left_out, LeftOut { count: 11, named: named.into() });
        sample.unpack(&archive).unwrap();
        assert_eq!(sample.unpacked(), ["000/ 755", "000/a 644 "]);
    }

    #[test]
    fn names_that_are_no_text_come_back() {
        let sample = Sample::new();
        fs::create_dir(sample.path("work/node_modules")).unwrap();
        let name = OsStr::from_bytes(b"new\nline \xff");
        fs::write(sample.path("work/node_modules").join(name), "x").unwrap();
        let (archive, _) = sample.pack(WIDE, None).unwrap();
        sample.unpack(&archive).unwrap();
        assert_eq!(fs::read(sample.path("into/000").join(name)).unwrap(), b"x");
    }

    #[test]
    fn bounds_owner_and_emptiness_are_told() {
        let sample = Sample::new();
        assert!(matches!(sample.pack(WIDE, None), Err(NotPacked::Nothing)));
        sample.write("work/node_modules/a", "12345");
        sample.write("work/node_modules/b", "12345");
        let refusal = |bounds| sample.pack(bounds, None).unwrap_err().to_string();
        let files = Bounds { files: 2, ..WIDE };
        assert_eq!(refusal(files), "node_modules/b: here the cache passes its limit of 2 files");
        let bytes = Bounds { bytes: 9, ..WIDE };
        assert_eq!(refusal(bytes), "node_modules/b: here the cache passes its limit of 9 bytes");
        let me = rustix::process::getuid().as_raw();
        assert!(sample.pack(WIDE, Some(me)).is_ok());
        assert!(matches!(sample.pack(WIDE, Some(me + 1)), Err(NotPacked::NotTheirs { .. })));
    }

    #[test]
    fn an_interrupted_pack_ends_early() {
        let sample = Sample::new();
        sample.write("work/node_modules/a", "x");
        let header = crate::runner::cache::samples::header();
        let packed = pack(&header, &sample.places(), WIDE, None, io::sink(), &AtomicBool::new(true));
        assert!(matches!(packed, Err(NotPacked::Interrupted)));
    }
}
