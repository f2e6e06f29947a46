//! Mounts in a folder, by the text of `/proc/self/mountinfo`: also those of the same file system, which no other number of
//! a device tells.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The mount that `folder`, below `top`, lies in or has in it. A mount of `top` itself does not count. Both paths are
/// without links.
pub(super) fn mount_below(mountinfo: &str, top: &Path, folder: &Path) -> Option<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    points.filter(|point| point != top && point.starts_with(top)).find(|point| {
        let (point, folder) = (point.as_path(), folder);
        point.starts_with(folder) || folder.starts_with(point)
    })
}

/// Spaces and the like are written as a backslash with three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| first == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => (bytes.push(byte), rest = &after[3..]),
            None => (bytes.push(first), rest = after),
        };
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_between_the_top_and_below_the_folder_count() {
        let found = |point: &str| {
            let text =
                format!("22 1 0:21 / /proc rw - proc proc rw\n36 35 98:0 /x {point} rw,noatime - ext4 /dev/sda rw\n");
            mount_below(&text, Path::new("/a/my work"), Path::new("/a/my work/out/site"))
        };
        for point in ["/", "/a", "/a/my\\040work", "/a/my\\040work/other", "/a/my\\040work/out/siteb", "/b/out/site"] {
            assert_eq!(found(point), None, "{point}");
        }
        for point in ["/a/my\\040work/out", "/a/my\\040work/out/site", "/a/my\\040work/out/site/deep"] {
            assert!(found(point).is_some(), "{point}");
        }
        assert_eq!(mount_below("", Path::new("/a"), Path::new("/a/b")), None);
    }

    #[test]
    fn escapes_are_undone_and_other_backslashes_kept() {
        for (text, path) in [("/a\\134b", "/a\\b"), ("/a\\", "/a\\"), ("/a\\09x", "/a\\09x"), ("/a\\777", "/a\\777")] {
            assert_eq!(unescape(text), Path::new(path), "{text}");
        }
    }
}
