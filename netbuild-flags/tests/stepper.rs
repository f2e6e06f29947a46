//! Steps go on only while a guard finds the flag well.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use netbuild_core::testkit::ManualClock;
use netbuild_flags::schedule::{Guard, Health, Stepped, Stepper};
use netbuild_flags::source::Source;
use netbuild_flags::store::{Change, Edit, MemoryStore, Store};
use netbuild_flags::{Definition, FlagKey, Percentage, Share, Steps};

fn key(text: &str) -> FlagKey {
    FlagKey::new(text).unwrap()
}

fn steps(percentages: &[u16]) -> Share {
    let steps = percentages.iter().map(|percent| Percentage::from_hundredths(percent * 100)).collect();
    Share::Steps(Steps { steps, at: 0, since: Timestamp::EPOCH, hold_seconds: 600 })
}

/// Says what a test wrote down, and remembers what it was asked.
#[derive(Debug, Default)]
struct Scripted {
    says: Mutex<VecDeque<Health>>,
    asked: Mutex<Vec<(String, u16)>>,
}

#[async_trait]
impl Guard for Scripted {
    async fn check(&self, flag: &FlagKey, percentage: Percentage, _since: Timestamp) -> Health {
        self.asked.lock().unwrap().push((flag.to_string(), percentage.hundredths() / 100));
        self.says.lock().unwrap().pop_front().unwrap_or_else(|| Health::Unhealthy("nobody knows".to_owned()))
    }
}

struct Scene {
    store: Arc<MemoryStore>,
    guard: Arc<Scripted>,
    clock: Arc<ManualClock>,
    stepper: Stepper,
}

impl Scene {
    async fn new(flags: &[(&str, Definition)]) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
        let (store, guard) = (Arc::new(MemoryStore::new(clock.clone())), Arc::new(Scripted::default()));
        let edits = flags.iter().map(|(flag, definition)| Edit::SetFlag(key(flag), definition.clone())).collect();
        store.change(Change::new("ada", "the beginning", edits)).await.unwrap();
        let stepper = Stepper::new(store.clone(), guard.clone(), clock.clone());
        Scene { store, guard, clock, stepper }
    }

    async fn after(&self, seconds: u64, says: &[Health]) -> Vec<Stepped> {
        self.clock.advance(Duration::from_secs(seconds));
        self.guard.says.lock().unwrap().extend(says.iter().cloned());
        let stepped = self.stepper.step().await.unwrap();
        assert!(self.guard.says.lock().unwrap().is_empty(), "the guard was not asked");
        stepped
    }

    async fn percent(&self, flag: &str) -> u16 {
        let definitions = self.store.load().await.unwrap().definitions;
        definitions.flags[&key(flag)].accounts_share.at(Timestamp::EPOCH).hundredths() / 100
    }
}

fn well() -> Health {
    Health::Healthy("0 of 500 failed".to_owned())
}

fn ill() -> Health {
    Health::Unhealthy("40 of 500 failed".to_owned())
}

#[tokio::test]
async fn each_step_is_held_needs_the_guard_and_is_recorded() {
    let pods = Definition { accounts_share: steps(&[1, 5, 25, 100]), ..Definition::default() };
    let scene = Scene::new(&[("pods", pods)]).await;
    assert_eq!(scene.after(599, &[]).await, [], "it is not long enough at 1%");
    let [stepped] = &scene.after(1, &[ill()]).await[..] else { panic!("one was due") };
    assert_eq!((stepped.from, stepped.to, &stepped.health), (stepped.to, stepped.from, &ill()));
    assert_eq!(scene.percent("pods").await, 1);
    for (seconds, expected) in [(1, 5), (600, 25), (600, 100)] {
        let [stepped] = &scene.after(seconds, &[well()]).await[..] else { panic!("one was due") };
        assert_eq!((stepped.to.hundredths() / 100, scene.percent("pods").await), (expected, expected));
        assert_eq!(scene.after(1, &[]).await, []);
    }
    assert_eq!(scene.after(1_000_000, &[]).await, [], "there is no step after the last");
    let history = scene.store.history(None, None, 10).await.unwrap();
    let recorded: Vec<(&str, &str)> =
        history.iter().map(|revision| (revision.who.as_str(), revision.why.as_str())).collect();
    assert_eq!(
        recorded,
        [
            ("steps", "25% to 100%: 0 of 500 failed"),
            ("steps", "5% to 25%: 0 of 500 failed"),
            ("steps", "1% to 5%: 0 of 500 failed"),
            ("ada", "the beginning"),
        ]
    );
}

#[tokio::test]
async fn flags_step_by_themselves_and_one_that_is_killed_does_not() {
    let both = Definition { accounts_share: steps(&[1, 50]), projects_share: steps(&[2, 60]), ..Definition::default() };
    let killed = Definition { kill: true, ..both.clone() };
    let scene = Scene::new(&[("a", both.clone()), ("b", both), ("c", killed)]).await;
    let stepped = scene.after(600, &[well(), ill(), ill(), well()]).await;
    let asked: Vec<(String, u16)> = scene.guard.asked.lock().unwrap().clone();
    assert_eq!(asked, [("a".into(), 1), ("a".into(), 2), ("b".into(), 1), ("b".into(), 2)]);
    let moved: Vec<bool> = stepped.iter().map(|stepped| stepped.from != stepped.to).collect();
    assert_eq!(moved, [true, false, false, true]);
    assert_eq!((scene.percent("a").await, scene.percent("b").await), (50, 1));
    assert_eq!(scene.after(1, &[ill(), ill()]).await.len(), 2);
}

/// A guard during whose look somebody else changes the flag.
#[derive(Debug)]
struct Overtaken(Arc<MemoryStore>);

#[async_trait]
impl Guard for Overtaken {
    async fn check(&self, flag: &FlagKey, _percentage: Percentage, _since: Timestamp) -> Health {
        let edit = Edit::SetFlag(flag.clone(), Definition { kill: true, ..Definition::default() });
        self.0.change(Change::new("ada", "it fails", vec![edit])).await.unwrap();
        well()
    }
}

#[tokio::test]
async fn a_step_never_undoes_what_somebody_changed_meanwhile() {
    let scene = Scene::new(&[("pods", Definition { accounts_share: steps(&[1, 100]), ..Definition::default() })]).await;
    scene.clock.advance(Duration::from_secs(600));
    let guard = Arc::new(Overtaken(scene.store.clone()));
    let stepper = Stepper::new(scene.store.clone(), guard, scene.clock.clone());
    let error = stepper.step().await.unwrap_err();
    assert_eq!(error.to_string(), "the change is for revision 1, and there is revision 2 by now");
    assert_eq!(scene.percent("pods").await, 0);
    assert_eq!(stepper.step().await.unwrap(), []);
}
