//! Files that are there whole or not at all, also after a power cut.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

/// Writes `value` as JSON to `folder/name`: to another name, to the disk, and then in one step to its name.
pub(super) fn write(folder: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    let temporary = folder.join(format!("{name}.new"));
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    File::open(folder)?.sync_all()
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
}
