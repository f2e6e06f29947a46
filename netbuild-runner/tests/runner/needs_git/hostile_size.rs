//! Repositories that are small to send and large to take: refused by name, and the runner's memory stays small.

use std::time::Duration;

use netbuild_core::model::{Cause, Report};

use super::bench::{Attempt, Bench, cause, evidence};
use super::git_server::GitServer;
use super::made::{FILE, TREE, blob, stand_on, tree};
use super::repository::Repository;

const MIB: u64 = 1 << 20;

/// The memory of a runner that has fetched nothing of size, with room for what differs between machines.
const SMALL: u64 = 100 * MIB;

/// Runs the runner to its end, and gives the most memory that it was seen to have.
async fn run_measured(attempt: &Attempt) -> (Report, u64) {
    let child = attempt.start().await;
    let status = format!("/proc/{}/status", child.id().unwrap());
    let watched = async {
        let mut peak = 0;
        while let Some(seen) = std::fs::read_to_string(&status).ok().as_deref().and_then(peak_of) {
            peak = peak.max(seen);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        peak
    };
    tokio::join!(attempt.end(child), watched)
}

/// The most memory that a process had so far, in bytes; none when it has ended.
fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

async fn is_refused_small(attempt: Attempt, why: &str) {
    let (report, peak) = run_measured(&attempt).await;
    println!("{}: {} MiB: {}", attempt.job.source.repository, peak / MIB, evidence(&report));
    assert_eq!(cause(&report), Cause::SourceRefused, "{}", evidence(&report));
    assert!(evidence(&report).contains(why), "{}", evidence(&report));
    assert!(peak < SMALL, "{peak} bytes");
}

/// Folders in folders, a hundred names in each.
fn bomb(repository: &Repository, mode: &str, lowest: gix::ObjectId) -> gix::ObjectId {
    let names: Vec<String> = (0..100).map(|number| format!("{number:02}")).collect();
    let level =
        |mode, below| tree(repository, &names.iter().map(|name| (mode, name.as_bytes(), below)).collect::<Vec<_>>());
    (0..5).fold(level(mode, lowest), |below, _| level(TREE, below))
}

#[tokio::test]
async fn a_tree_of_a_million_million_files_ends_at_the_bound() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let file = blob(&repository, b"x");
    let folder = tree(&repository, &[]);
    for (tree, why) in [
        (bomb(&repository, FILE, file), "more files than the 500000 of this host (source_files)"),
        (bomb(&repository, TREE, folder), "more folders than the 500000 of this host (source_files)"),
    ] {
        stand_on(&repository, tree);
        let server = GitServer::new(&repository).await;
        for url in [repository.url(), server.url("site.git")] {
            is_refused_small(bench.attempt(&url, "true"), why).await;
        }
    }
}

#[tokio::test]
async fn a_file_that_is_small_in_the_pack_is_refused_before_it_is_unpacked() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let file = blob(&repository, &vec![0; (100 * MIB) as usize]);
    stand_on(&repository, tree(&repository, &[(FILE, b"zeros", file)]));
    let server = GitServer::new(&repository).await;
    for url in [repository.url(), server.url("site.git")] {
        let object = bench.attempt(&url, "true").rules(|rules| rules.source_object_bytes = 40 * MIB);
        is_refused_small(object, "(source_object_bytes)").await;
        let source = bench.attempt(&url, "true").rules(|rules| rules.source_bytes = 16 * MIB);
        is_refused_small(source, "(source_bytes)").await;
    }
}
