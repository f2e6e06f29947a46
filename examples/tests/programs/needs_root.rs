//! The quickstart as root: its commands are not. `scripts/test` skips this module by its name where there is no root.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use crate::support::{Bench, QUICK, json};

#[test]
fn commands_run_as_users_of_their_own_and_cannot_read_the_hosts_files() {
    let bench = Bench::new();
    set_permissions(bench.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let state = bench.state();
    let state = state.display();
    let command = format!(
        "test $(id -u) -ge 1900000000 && {QUICK} && for name in netbuild.db lock gateway.address logs/. origin/. attempts/.
        do if test -r {state}/$name; then exit 9; fi; done"
    );
    let output = bench.quickstart(&command, &[]).output().unwrap();
    assert!(output.status.success(), "{}", json(&output));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("commands run as users of their own"), "{said}");
}

#[test]
fn where_they_cannot_reach_their_folder_they_run_as_root_and_it_is_said() {
    let bench = Bench::new();
    set_permissions(bench.folder.path(), Permissions::from_mode(0o700)).unwrap();
    let output = bench.quickstart(&format!("test $(id -u) -eq 0 && {QUICK}"), &[]).output().unwrap();
    assert!(output.status.success(), "{}", json(&output));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("commands run as the user of this program") && said.contains("chmod o+x"), "{said}");
}
