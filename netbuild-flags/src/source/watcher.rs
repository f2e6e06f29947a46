//! The driver that puts a source's definitions in force.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::Timestamp;
use netbuild_core::port::Clock;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info};

use super::{Loaded, Source};
use crate::{Definitions, Flags};

/// How often it looks whether the source still answers, counts what was evaluated, and moves percentages that change with
/// the time by less than that.
const ROUND: Duration = Duration::from_secs(1);

/// Percentages that change with the time are moved no more often than this.
const TICK: Duration = Duration::from_millis(100);

/// How long a source may take to answer.
const LOAD: Duration = Duration::from_secs(10);

/// Puts the definitions of a source in force in the flags of this process, for as long as it runs.
///
/// - A change takes effect as soon as the source notices it, which it does within a second.
/// - Definitions that are refused or cannot be read change nothing: those in force stay,
///   [`FlagsStatus::problem`](crate::FlagsStatus::problem) tells why, and an error is logged, once for each reason.
/// - While the source is out of reach evaluations go on, and [`FlagsStatus::age`](crate::FlagsStatus::age) grows.
/// - Percentages that change with the time move as they should, ten times a second at most.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use netbuild_core::port::SystemClock;
/// use netbuild_flags::source::{FileSource, Watcher};
/// use netbuild_flags::{Flags, Overrides};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let flags = Flags::new(Overrides::from_vars(std::env::vars())?);
/// let source = Arc::new(FileSource::new("/etc/netbuild/flags.json")?);
/// let mut watcher = Watcher::new(source, flags.clone(), Arc::new(SystemClock::new()));
/// watcher.look().await; // for the first snapshot before anything is served
/// tokio::select! {
///     () = watcher.run() => {}
///     _ = tokio::signal::ctrl_c() => {}
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Watcher {
    source: Arc<dyn Source>,
    flags: Flags,
    clock: Arc<dyn Clock>,
    /// What is in force, so that equal definitions are not made ready again.
    in_force: Option<Loaded>,
    problem: Option<String>,
}

impl Watcher {
    /// A watcher of a source. It does nothing before it [looks](Self::look) or [runs](Self::run).
    pub fn new(source: Arc<dyn Source>, flags: Flags, clock: Arc<dyn Clock>) -> Self {
        Watcher { source, flags, clock, in_force: None, problem: None }
    }

    /// Asks the source once and puts in force what it has. Says whether that worked; if not,
    /// [`Flags::status`](crate::Flags::status) tells why.
    pub async fn look(&mut self) -> bool {
        let loaded = timeout(LOAD, self.source.load()).await;
        let now = self.clock.now();
        let problem = match loaded {
            Ok(Ok(loaded)) => self.put_in_force(loaded, now).err(),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("the source of the flags did not answer within {LOAD:?}")),
        };
        if let Some(problem) = &problem {
            self.flags.doubt(problem.clone());
            if self.problem.as_ref() != Some(problem) {
                error!(problem, "flags: the definitions in force stay");
            }
        } else if self.problem.is_some() {
            info!("flags: the source has good definitions again");
        }
        self.problem = problem;
        self.problem.is_none()
    }

    fn put_in_force(&mut self, loaded: Loaded, now: Timestamp) -> Result<(), String> {
        if self.in_force.as_ref() == Some(&loaded) {
            self.flags.confirm(now);
            return Ok(());
        }
        let Loaded { definitions, revision } = loaded;
        let changed = self.publish(definitions.clone(), revision, now)?;
        if changed {
            info!(revision, version = self.flags.version(), "flags: other definitions are in force");
        }
        self.in_force = Some(Loaded { definitions, revision });
        Ok(())
    }

    fn publish(&self, definitions: Definitions, revision: Option<u64>, now: Timestamp) -> Result<bool, String> {
        self.flags.publish(definitions, revision, now).map_err(|error| error.to_string())
    }

    /// Keeps the definitions of the source in force until it is dropped.
    pub async fn run(mut self) {
        let source = self.source.clone();
        let mut changed = source.changed();
        let mut next_look = Instant::now();
        loop {
            if Instant::now() >= next_look {
                self.look().await;
                self.flags.exposure().observe(self.clock.now());
                next_look = Instant::now() + ROUND;
            }
            let wake = next_look.min(Instant::now() + self.until_tick());
            tokio::select! {
                () = &mut changed => {
                    changed = source.changed();
                    next_look = Instant::now();
                }
                () = sleep_until(wake) => {}
            }
            self.flags.tick(self.clock.now());
        }
    }

    /// How long until a percentage moves by the time.
    fn until_tick(&self) -> Duration {
        let next = self.flags.snapshot().and_then(|snapshot| snapshot.next_change());
        next.map_or(ROUND, |next| next.since(self.clock.now()).max(TICK))
    }
}
