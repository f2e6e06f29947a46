//! A million accounts with three million projects, in seconds. `NETBUILD_SOAK=1` runs it at this size, otherwise at a
//! hundredth.

use std::time::Duration;

use netbuild_core::port::{Clock, SystemClock};
use netbuild_flags::directory::Directory;
use netbuild_flags::reach::reach;
use netbuild_flags::{Definition, Snapshot};

use crate::support::{flag, memory, percent, snapshot};

pub(crate) fn accounts() -> u32 {
    if std::env::var_os("NETBUILD_SOAK").is_some() { 1_000_000 } else { 10_000 }
}

/// Every rule is asked for nearly everybody.
pub(crate) fn busy() -> Snapshot {
    let groups = ["teams".parse().unwrap(), "modern".parse().unwrap()].into();
    snapshot(Definition {
        groups,
        accounts_share: percent(10.0),
        projects_share: percent(10.0),
        ..Definition::default()
    })
}

/// Counts, says how long it took, and that it took seconds.
pub(crate) async fn count(name: &str, directory: &dyn Directory) {
    let (snapshot, clock, accounts) = (busy(), SystemClock::new(), u64::from(accounts()));
    let begun = clock.now();
    let mut pages = 0_u32;
    let reach = reach(&snapshot, &flag(), directory, |_| pages += 1).await.unwrap();
    let took = clock.now().since(begun);
    eprintln!("{name}: {took:?}, {pages} pages\n{reach}");
    assert_eq!(reach.accounts.of, accounts);
    assert!(reach.projects.of >= accounts * 299 / 100, "{}", reach.projects.of);
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[tokio::test]
async fn in_memory() {
    count("in memory", &memory(accounts())).await;
}
