//! Files that are there whole or not at all, also after a power cut.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Takes the room that [`write`] will need for a value of up to `bytes` bytes, so that it can be written on a full disk.
pub(super) fn reserve(folder: &Path, name: &str, bytes: usize) -> io::Result<()> {
    let temporary = temporary(folder, name);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let reserved = file.write_all(&vec![b' '; bytes]).and_then(|()| file.sync_all());
    if reserved.is_err() {
        // What little room there is may do for a short record.
        fs::remove_file(temporary)?;
    }
    reserved
}

/// Writes `value` as JSON to `folder/name`: to another name, to the disk, and then in one step to its name.
pub(super) fn write(folder: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    let temporary = temporary(folder, name);
    // What was reserved is written over: a file that is emptied first would have to find its room again.
    let mut file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&temporary)?;
    file.write_all(&bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    File::open(folder)?.sync_all()
}

fn temporary(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.new"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_replaces_the_one_before_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "r.json", &1).unwrap();
        write(folder.path(), "r.json", &[2]).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("r.json")).unwrap(), "[2]");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_reserved_record_is_as_long_as_its_value() {
        let folder = tempfile::tempdir().unwrap();
        reserve(folder.path(), "r.json", 1_000).unwrap();
        write(folder.path(), "r.json", &[1]).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("r.json")).unwrap(), "[1]");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
