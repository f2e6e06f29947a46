//! Full disks at each phase. A disk is a file of a few megabytes behind a loop device, which takes root; `scripts/test`
//! skips this module by its name elsewhere.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use futures_util::StreamExt;
use netbuild_core::log::FileLogStore;
use netbuild_core::model::{Cause, Outcome, Owner, Report};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use super::super::bench::{Attempt, Bench, cause, deploy, evidence};
use super::super::repository::Repository;

/// A disk of 8 MB.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (image, mounted) = (folder.path().join("image"), folder.path().join("mounted"));
        std::fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
        std::fs::create_dir(&mounted).unwrap();
        // Nothing is kept back for root, as whom these tests write.
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image));
        run(Command::new("mount").args(["-o", "loop"]).args([&image, &mounted]));
        Disk { folder }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("mounted")
    }

    /// Fills it by somebody else's file until only about so much is left.
    fn fill(&self, leave: u64) {
        let stat = rustix::fs::statvfs(self.path()).unwrap();
        let bytes = usize::try_from((stat.f_bavail * stat.f_frsize).saturating_sub(leave)).unwrap();
        let file = self.path().join("somebody-elses");
        let written = std::fs::write(&file, vec![b'x'; bytes]);
        assert!(written.is_ok() || leave == 0, "{written:?}");
        // What is not on the disk yet has no room there yet.
        let synced = std::fs::File::open(&file).and_then(|file| file.sync_all());
        assert!(synced.is_ok() || leave == 0, "{synced:?}");
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path().join("somebody-elses")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(self.path()));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

const MAKES_A_SITE: &str = "mkdir -p out && head -c 500000 /dev/zero > out/zeros && echo made";

/// That the next attempt of the same build deploys, on a disk that has room by now.
async fn deploys(bench: &Bench, attempt: Attempt, disk: &Path) {
    let report = bench.retry(attempt).on(disk).run().await;
    assert_eq!(deploy(&report).files, 1);
}

fn is_the_hosts(report: &Report) {
    assert_eq!(cause(report), Cause::HostDisk, "{report:?}");
    assert_eq!(cause(report).owner(), Owner::Infrastructure);
    let evidence = evidence(report);
    assert!(evidence.contains("disk") || evidence.contains("No space left on device"), "{evidence}");
}

#[tokio::test]
async fn full_at_the_fetch() {
    let (bench, repository, disk) = (Bench::new().await, Repository::new(), Disk::new());
    // Nothing that a packfile could make smaller.
    let noise: String = (0..200_000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    repository.write("large", &noise);
    repository.commit("large");
    let attempt = bench.attempt(&repository.url(), MAKES_A_SITE).publish("out").on(&disk.path());
    disk.fill(400 << 10);
    is_the_hosts(&attempt.run().await);
    disk.make_room();
    deploys(&bench, attempt, &disk.path()).await;
}

#[tokio::test]
async fn full_at_the_command_by_others() {
    let (bench, repository, disk) = (Bench::new().await, Repository::new(), Disk::new());
    let attempt = bench.attempt(&repository.url(), MAKES_A_SITE).publish("out").on(&disk.path());
    disk.fill(400 << 10);
    let report = attempt.run().await;
    is_the_hosts(&report);
    assert!(evidence(&report).ends_with("the command exited with 1"), "what was seen is kept: {report:?}");
    disk.make_room();
    deploys(&bench, attempt, &disk.path()).await;
}

#[tokio::test]
async fn full_at_the_command_by_the_build_itself() {
    let (bench, repository, disk) = (Bench::new().await, Repository::new(), Disk::new());
    let attempt = bench.attempt(&repository.url(), "cat /dev/zero > zeros").publish("out").on(&disk.path());
    let report = attempt.run().await;
    assert_eq!(cause(&report), Cause::OutOfDisk, "{report:?}");
    assert_eq!(cause(&report).owner(), Owner::Customer);
    assert_eq!(*bench.control.reports.lock().unwrap(), [report], "it is told although nothing more can be written");
}

#[tokio::test]
async fn full_at_the_log() {
    let (bench, repository, disk) = (Bench::new().await, Repository::new(), Disk::new());
    let command = format!("{MAKES_A_SITE} && yes | head -c 3000000; exit 0");
    let attempt = bench.attempt(&repository.url(), &command).publish("out").on(&disk.path());
    disk.fill(1_500 << 10);
    let report = attempt.run().await;
    is_the_hosts(&report);
    assert!(evidence(&report).contains("the log could not be written"), "{report:?}");
    disk.make_room();
    deploys(&bench, attempt, &disk.path()).await;
}

#[tokio::test]
async fn full_at_the_collecting_which_writes_nothing() {
    let (bench, repository, disk) = (Bench::new().await, Repository::new(), Disk::new());
    let command = format!("{MAKES_A_SITE}; cat /dev/zero > zeros; exit 0");
    let attempt = bench.attempt(&repository.url(), &command).publish("out").on(&disk.path());
    let report = attempt.run().await;
    assert_eq!(deploy(&report).files, 1, "a full disk keeps nothing from being read and uploaded");
    assert_eq!(attempt.record(), report);
}

#[tokio::test]
async fn full_at_the_upload_on_the_side_of_the_origin() {
    let (repository, disk) = (Repository::new(), Disk::new());
    let store = LocalFileSystem::new_with_prefix(disk.path()).unwrap().with_fsync(true);
    let bench = Bench::with_stores(Arc::new(store), Arc::new(super::super::control::Logs::default())).await;
    let attempt = bench.attempt(&repository.url(), MAKES_A_SITE).publish("out");
    disk.fill(200 << 10);
    let report = attempt.run().await;
    assert_eq!(cause(&report), Cause::UploadFailed, "{report:?}");
    assert_eq!(cause(&report).owner(), Owner::Infrastructure);
    assert!(evidence(&report).contains("the disk of the object store is full"), "{report:?}");
    disk.make_room();
    deploys(&bench, attempt, &std::env::temp_dir()).await;
}

#[tokio::test]
async fn full_at_the_store_of_logs_costs_no_build() {
    let (repository, disk) = (Repository::new(), Disk::new());
    let logs = Arc::new(FileLogStore::new(disk.path(), 64 << 20));
    let bench = Bench::with_stores(Arc::new(InMemory::new()), logs).await;
    let command = format!("{MAKES_A_SITE} && yes | head -c 300000");
    let attempt = bench.attempt(&repository.url(), &command).publish("out");
    disk.fill(0);
    let report = attempt.run().await;
    assert_eq!(deploy(&report).files, 1);
    assert_eq!(attempt.log().len() as u64, report.log_bytes, "the whole log is where the executor fetches it");
}

#[tokio::test]
async fn full_before_the_record_which_has_its_room() {
    let (bench, repository, disk) = (Bench::new().await, Repository::new(), Disk::new());
    let attempt =
        bench.attempt(&repository.url(), "cat /dev/zero > zeros; echo more >> zeros; exit 0").on(&disk.path());
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None }, "a build that minds no full disk");
    assert_eq!(attempt.record(), report);
}

#[tokio::test]
async fn full_at_the_restoring() {
    let (bench, repository, disk) = (Bench::new().await, Repository::new(), Disk::new());
    let command = format!("{MAKES_A_SITE}; test -e deps || (mkdir deps && head -c 2000000 /dev/zero > deps/zeros)");
    let build = || bench.attempt(&repository.url(), &command).publish("out").cache(&["deps"], "index.md");
    assert_eq!(deploy(&build().run().await).files, 1);
    let attempt = build().on(&disk.path());
    disk.fill(1_000 << 10);
    let report = attempt.run().await;
    is_the_hosts(&report);
    assert!(evidence(&report).contains("a cache could not be restored"), "{report:?}");
    disk.make_room();
    deploys(&bench, attempt, &disk.path()).await;
}

#[tokio::test]
async fn full_at_the_saving_which_is_after_the_success() {
    let (bench, repository, disk) = (Bench::new().await, Repository::new(), Disk::new());
    let command = format!("{MAKES_A_SITE}; mkdir deps; cat /dev/urandom > deps/noise; exit 0");
    let attempt = bench.attempt(&repository.url(), &command).publish("out").cache(&["deps"], "index.md");
    let attempt = attempt.on(&disk.path());
    let report = attempt.run().await;
    assert_eq!(deploy(&report).files, 1, "{report:?}");
    assert_eq!(*bench.control.reports.lock().unwrap(), [report]);
    assert!(bench.cached.list(None).next().await.is_none(), "nothing was saved");
}

#[tokio::test]
async fn full_before_anything_began() {
    let (bench, repository, disk) = (Bench::new().await, Repository::new(), Disk::new());
    let attempt = bench.attempt(&repository.url(), "true").on(&disk.path());
    disk.fill(8 << 10);
    is_the_hosts(&attempt.run().await);
    assert!(bench.control.beats.lock().unwrap().is_empty(), "it never began");
}
