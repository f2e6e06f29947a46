//! Folders and archives for unit tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use netbuild_core::model::{CacheName, CachePath, CacheSpec};

use super::archive::Writer;
use super::caches::Places;
use super::entry::{Bounds, Entry, Kind};
use super::error::ArchiveError;
use super::header::Header;
use super::inspect::Contents;
use super::pack::{NotPacked, Packed, pack};
use super::unpack::unpack;
use crate::runner::samples;

pub(super) const WIDE: Bounds = Bounds { files: 1_000, bytes: 1 << 20 };

/// The header of a cache of `node_modules` and `~/.cargo/registry`.
pub(super) fn header() -> Header {
    let paths = ["node_modules", "~/.cargo/registry"].map(|path| CachePath::parse(path).unwrap());
    let spec = CacheSpec { name: CacheName::new("deps").unwrap(), paths: paths.into(), lock_files: Vec::new() };
    Header::new(&spec, &samples::job().attempt, None, &[])
}

/// Work and home, and a folder to unpack into.
pub(super) struct Sample(tempfile::TempDir);

impl Sample {
    pub(super) fn new() -> Self {
        let sample = Sample(tempfile::tempdir().unwrap());
        for name in ["work", "home", "into", "outside"] {
            fs::create_dir(sample.path(name)).unwrap();
        }
        sample
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub(super) fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn places(&self) -> Places {
        Places { work: self.path("work"), home: self.path("home") }
    }

    pub(super) fn pack(&self, bounds: Bounds, owner: Option<u32>) -> Result<(Vec<u8>, Packed), NotPacked> {
        let mut archive = Vec::new();
        let packed = pack(&header(), &self.places(), bounds, owner, &mut archive, &AtomicBool::new(false))?;
        Ok((archive, packed))
    }

    pub(super) fn unpack(&self, archive: &[u8]) -> Result<Contents, ArchiveError> {
        unpack(archive, WIDE, |_| Ok(()), &self.places(), &self.path("into"), &AtomicBool::new(false))
    }

    /// All below `into`, sorted: each with its mode, and what it is.
    pub(super) fn unpacked(&self) -> Vec<String> {
        let mut lines = Vec::new();
        list(&self.path("into"), "", &mut lines);
        lines
    }
}

fn list(folder: &Path, before: &str, lines: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{before}{}", entry.file_name().to_string_lossy());
        let metadata = entry.metadata().unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_dir() {
            lines.push(format!("{path}/ {mode:o}"));
            list(&entry.path(), &format!("{path}/"), lines);
        } else if metadata.is_symlink() {
            lines.push(format!("{path} -> {}", fs::read_link(entry.path()).unwrap().display()));
        } else {
            lines.push(format!("{path} {mode:o} {}", fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

/// An archive as nobody's walk has made it.
pub(super) fn archive(entries: &[(&str, Kind)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &header()).unwrap();
    for (path, kind) in entries {
        let bytes = match kind {
            Kind::File { bytes, .. } => *bytes,
            _ => 0,
        };
        let entry = Entry { path: path.as_bytes().to_vec(), kind: kind.clone(), modified: 1 };
        writer.put(&entry, &mut std::io::Read::take(std::io::repeat(b'x'), bytes)).unwrap();
    }
    writer.finish().unwrap()
}

/// Plain tar blocks in zstd, behind the right header.
pub(super) fn raw_archive(write: impl FnOnce(&mut tar::Builder<zstd::Encoder<'static, Vec<u8>>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(zstd::Encoder::new(Vec::new(), 3).unwrap());
    let json = serde_json::to_vec(&header()).unwrap();
    append(&mut builder, "netbuild-cache.json", tar::EntryType::Regular, 0o644, &json);
    append(&mut builder, "000", tar::EntryType::Directory, 0o755, b"");
    write(&mut builder);
    builder.into_inner().unwrap().finish().unwrap()
}

pub(super) fn append<W: std::io::Write>(
    builder: &mut tar::Builder<W>,
    path: &str,
    kind: tar::EntryType,
    mode: u32,
    content: &[u8],
) {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1);
    header.set_size(content.len() as u64);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}
