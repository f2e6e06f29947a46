//! A scheduling policy of one's own, wired into a real scheduler: `cargo run --example custom_policy`.
//!
//! Five builds with different priorities wait for one slot. The policy is in `urgent_first.rs`; its unit test, in virtual
//! time against the real engine, is in the README.

mod urgent_first;

use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use netbuild_core::model::{
    AccountId, Build, BuildId, BuildKey, BuildSpec, BuildState, DeployContext, OnUnknown, Priority, ProjectId,
    RepositoryUrl, Source, Timestamp, Trust,
};
use netbuild_core::port::{Clock, Event, EventKey, Notice, Observer, SystemClock};
use netbuild_examples::host::{Host, HostOptions};
use netbuild_examples::site::Site;
use netbuild_examples::summary::Summary;

use urgent_first::UrgentFirst;

/// Builds of different priorities, one slot, and a policy that starts the urgent ones first.
#[derive(Debug, Parser)]
struct Args {
    /// Print the result as one JSON object, the last line of standard output.
    #[arg(long)]
    json: bool,
}

/// The priorities in the order in which the builds are asked for.
const PRIORITIES: [i16; 5] = [0, 0, 9, 0, 5];

/// Notes the builds in the order in which they start.
#[derive(Debug, Default)]
struct StartOrder(Mutex<Vec<BuildId>>);

impl Observer for StartOrder {
    fn notice(&self, notice: &Notice, _at: Timestamp) {
        if let (Notice::Planned { attempt, .. }, Ok(mut started)) = (notice, self.0.lock()) {
            started.push(attempt.build.build);
        }
    }
}

fn main() -> ExitCode {
    // Attempts run in this same program, started again as their runner.
    if let Some(code) = netbuild_runner::runner::dispatch() {
        return code;
    }
    let args = Args::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(&args)));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let site = Site::create(folder.path())?;
    let order = Arc::new(StartOrder::default());
    let options = HostOptions { slots: 1, observer: order.clone(), ..HostOptions::new(folder.path().join("state")) };
    let mut host = Host::start(options, Box::new(|| Box::new(UrgentFirst::default()))).await?;

    let now = SystemClock::new().now();
    let builds = PRIORITIES.map(|priority| build(&site, Priority(priority), now)).into_iter();
    let builds: Vec<Build> = builds.collect::<Result<_, _>>()?;
    let event = |build: &Build| Event { key: EventKey(build.id.to_string()), build: build.clone() };
    host.submit_all(&builds.iter().map(event).collect::<Vec<_>>()).await?;
    let keys: Vec<BuildKey> = builds.iter().map(Build::key).collect();
    let records = loop {
        let mut over = Vec::new();
        for key in &keys {
            let record = host.ledger.build(key).await?;
            over.extend(record.filter(|record| matches!(record.state, BuildState::Ended { .. })));
        }
        if over.len() == keys.len() {
            break over;
        }
        tokio::select! {
            broken = host.broken() => broken?,
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    };
    host.stop().await?;

    let started = order.0.lock().map(|started| started.clone()).unwrap_or_default();
    let of = |id: &BuildId| builds.iter().find(|build| build.id == *id).map(|build| build.priority.0);
    let priorities: Vec<i16> = started.iter().filter_map(of).collect();
    // The first build finds the slot free; of those that wait, the urgent ones go first.
    let kept = priorities == [0, 9, 5, 0, 0];
    let summary = Summary::new(&records, |_| None);
    if args.json {
        println!("{}", serde_json::json!({ "builds": summary.builds, "started": priorities, "urgent_first": kept }));
    } else {
        println!("asked for, by priority: {PRIORITIES:?}");
        println!("started, by priority:   {priorities:?}");
        if kept {
            println!("\nWhat this proves:");
            println!("- A policy of 30 lines decides which build starts next; the rest of the scheduler is unchanged.");
        }
    }
    Ok(kept && summary.succeeded())
}

fn build(site: &Site, priority: Priority, now: Timestamp) -> Result<Build, Box<dyn Error>> {
    let [revision, _] = site.revisions();
    let repository = RepositoryUrl::from_path(&site.path().to_string_lossy())?;
    let spec = BuildSpec { on_unknown: OnUnknown::Rerun, ..BuildSpec::new("sleep 0.2") };
    Ok(Build {
        id: BuildId::generate(),
        account: AccountId::new("demo")?,
        project: ProjectId::new("site")?,
        source: Source { repository, revision },
        context: DeployContext::Production,
        spec,
        priority,
        trust: Trust::Trusted,
        created_at: now,
    })
}
