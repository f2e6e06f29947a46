//! On which kind of file system a path is.

use std::path::Path;

/// File systems whose files are on another machine. SQLite's write-ahead log needs memory shared by all who use the file,
/// and its locks are not to be trusted there.
const NETWORK: &[&str] = &[
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb2",
    "smb3",
    "smbfs",
];

/// The network file system that an absolute path is on, read from the text of Linux's `/proc/self/mountinfo`.
pub(super) fn network_file_system<'a>(mountinfo: &'a str, path: &Path) -> Option<&'a str> {
    let holds_path = mountinfo.lines().filter_map(mount).filter(|mount| path.starts_with(&mount.point));
    // The deepest mount point counts; of two at the same place the later one covers the earlier.
    let mount = holds_path.max_by_key(|mount| Path::new(&mount.point).components().count())?;
    NETWORK.contains(&mount.file_system).then_some(mount.file_system)
}

struct Mount<'a> {
    point: String,
    file_system: &'a str,
}

/// `36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/sda rw`
fn mount(line: &str) -> Option<Mount<'_>> {
    let (before, after) = line.split_once(" - ")?;
    let point = before.split(' ').nth(4)?.replace("\\040", " ");
    Some(Mount { point, file_system: after.split(' ').next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:50 / /srv rw,relatime shared:1 - nfs4 server:/export rw,vers=4.2
41 40 254:1 / /srv/local rw,relatime - xfs /dev/vdb rw
42 27 0:51 / /srv/my\\040share rw,relatime - cifs //server/share rw
43 27 0:52 / /twice rw - nfs server:/a rw
44 43 254:2 / /twice rw - ext4 /dev/vdc rw
not a mount";

    #[test]
    fn the_deepest_and_last_mount_counts() {
        for (path, expected) in [
            ("/var/lib/netbuild.db", None),
            ("/srv/netbuild.db", Some("nfs4")),
            ("/srvx/netbuild.db", None),
            ("/srv/local/netbuild.db", None),
            ("/srv/my share/netbuild.db", Some("cifs")),
            ("/twice/netbuild.db", None),
        ] {
            assert_eq!(network_file_system(MOUNTS, Path::new(path)), expected, "{path}");
        }
        assert_eq!(network_file_system("", Path::new("/a")), None);
    }
}
