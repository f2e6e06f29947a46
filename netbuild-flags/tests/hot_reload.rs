//! Changes of all flags at once under load: every answer is that of one whole snapshot.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use netbuild_core::model::{AccountId, Timestamp};
use netbuild_core::testkit::TokioClock;
use netbuild_flags::source::{FileSource, Watcher};
use netbuild_flags::{Definition, Definitions, FlagKey, Flags, Overrides, Snapshot, Subject};

const FLAGS: usize = 200;
const THREADS: usize = 4;

fn changes() -> usize {
    if std::env::var_os("NETBUILD_SOAK").is_some() { 5_000 } else { 100 }
}

fn keys() -> Vec<FlagKey> {
    (0..FLAGS).map(|flag| FlagKey::new(format!("flag-{flag}")).unwrap()).collect()
}

/// Whether a flag is on in a generation of the definitions: neighbours differ in about half of all flags.
fn expected(generation: usize, flag: usize) -> bool {
    let bits =
        (generation as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (flag as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
    (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 63 == 1
}

fn definitions(keys: &[FlagKey], generation: usize) -> Definitions {
    let flag = |(flag, key): (usize, &FlagKey)| {
        (key.clone(), Definition { global: expected(generation, flag), ..Definition::default() })
    };
    Definitions { flags: keys.iter().enumerate().map(flag).collect(), ..Definitions::default() }
}

fn exchange(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_answer_is_that_of_one_whole_snapshot_and_broken_files_never_take_effect() {
    let (keys, changes) = (keys(), changes());
    let version = |generation| {
        let snapshot = Snapshot::new(definitions(&keys, generation), &Overrides::none(), Timestamp::EPOCH);
        snapshot.unwrap().version()
    };
    let generations: BTreeMap<u64, usize> = (0..=changes).map(|generation| (version(generation), generation)).collect();
    assert_eq!(generations.len(), changes + 1);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    let text = |generation| serde_json::to_string(&definitions(&keys, generation)).unwrap();
    exchange(&path, &text(0));
    let flags = Flags::new(Overrides::none());
    let source = Arc::new(FileSource::new(&path).unwrap());
    let mut watcher = Watcher::new(source, flags.clone(), Arc::new(TokioClock::new(Timestamp::EPOCH)));
    assert!(watcher.look().await);

    let (done, evaluations) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let evaluate = |_| {
        let (flags, keys, generations) = (flags.clone(), keys.clone(), generations.clone());
        let (done, evaluations) = (done.clone(), evaluations.clone());
        thread::spawn(move || {
            let account = AccountId::new("acme").unwrap();
            let subject = Subject::account(&account);
            let mut evaluator = flags.evaluator();
            let (mut last, mut seen) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                for (flag, key) in keys.iter().enumerate() {
                    let decision = evaluator.evaluate(key, &subject, false);
                    let generation = generations[&decision.version];
                    assert_eq!(decision.on, expected(generation, flag), "{key} of generation {generation}");
                    assert!(generation >= last, "{generation} after {last}");
                    seen += u64::from(generation > last);
                    last = generation;
                }
                evaluations.fetch_add(FLAGS as u64, Ordering::Relaxed);
            }
            seen
        })
    };
    let threads: Vec<_> = (0..THREADS).map(evaluate).collect();

    let change = async {
        for generation in 1..=changes {
            let next = text(generation);
            if generation % 10 == 0 {
                exchange(&path, &next[..next.len() / 2]);
                while flags.status().problem.is_none() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            exchange(&path, &next);
            // Every thread evaluates under every generation.
            let before = evaluations.load(Ordering::Relaxed);
            while flags.version() != version(generation)
                || evaluations.load(Ordering::Relaxed) < before + (2 * THREADS * FLAGS) as u64
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    tokio::select! {
        () = watcher.run() => {}
        () = change => {}
    }
    done.store(true, Ordering::Relaxed);
    let seen: Vec<u64> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let all = evaluations.load(Ordering::Relaxed);
    println!("{changes} changes of {FLAGS} flags; {THREADS} threads saw {seen:?} of them in {all} evaluations");
    assert!(seen.iter().sum::<u64>() >= changes as u64, "{seen:?}");
    let counted: u64 = flags.exposure().report().iter().map(|flag| flag.on + flag.off).sum();
    assert!(counted >= all);
}
