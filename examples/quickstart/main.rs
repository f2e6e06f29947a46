//! A real Git repository fetched, built and deployed by one program: `cargo run --example quickstart`.
//!
//! Without options it makes a small site with two commits and builds both, so that the second deploy shows its few
//! changed files; `--help` tells how it builds any repository. Progress goes to standard error, the result to standard
//! output: a text for people, or one JSON object with `--json`.

mod args;
mod builds;
mod closing;
mod deploy;
mod secrets;
mod unfinished;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;

use netbuild_core::engine::EngineConfig;
use netbuild_core::log::one_line;
use netbuild_core::model::{BuildId, BuildRecord, BuildState, Ending};
use netbuild_core::policy::Fifo;
use netbuild_core::port::{Clock, LogStore, SystemClock};
use netbuild_examples::faults::Fault;
use netbuild_examples::host::{Host, HostOptions};
use netbuild_examples::progress::{self, Titles, log_tail, stderr_view};
use netbuild_examples::site::Site;
use netbuild_examples::summary::Summary;
use tokio::task::JoinSet;

use args::{Args, Work};
use builds::Titled;
use secrets::GivenSecrets;

/// The exit status of a run that Ctrl-C ended, as shells have it.
const INTERRUPTED: u8 = 130;

/// How much of a failed build's log is shown again at the end.
const TAIL: usize = 20;

/// Steps that the progress may lag behind.
const STEPS: usize = 1_024;

fn main() -> ExitCode {
    // Attempts run in this same program, started again as their runner.
    if let Some(code) = netbuild_runner::runner::dispatch() {
        return code;
    }
    let args = match Args::parse_from(std::env::args_os(), |name| std::env::var(name).ok()) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let env_filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = env_filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(run(args)) {
        Ok(code) => code,
        Err(error) => failed(error.as_ref()),
    }
}

fn failed(error: &dyn Error) -> ExitCode {
    eprintln!("error: {}", one_line(&error.to_string()));
    let sources = std::iter::successors(error.source(), |error| (*error).source());
    sources.for_each(|source| eprintln!("  because: {}", one_line(&source.to_string())));
    ExitCode::FAILURE
}

async fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let clock = SystemClock::new();
    let started = clock.now();
    let state = match &args.state {
        Some(folder) => folder.clone(),
        None => tempfile::Builder::new().prefix("netbuild-quickstart-").tempdir()?.keep(),
    };
    let (titled, secrets) = match &args.work {
        Work::Demo => {
            let site = Site::create(&state)?;
            (builds::demo(&args, &site, started, BuildId::generate)?, BTreeMap::new())
        }
        Work::Repository(request) => {
            let build = builds::requested(&args, request, BuildId::generate(), started);
            (vec![build], request.secrets.clone())
        }
    };
    let (titles, builds): (Vec<_>, Vec<_>) = titled.into_iter().map(|Titled { title, build }| (title, build)).unzip();
    let asked = builds[0].clone();

    let (observer, progress) = progress::channel(STEPS);
    let defaults = HostOptions::new(&state);
    let options = HostOptions {
        origin: args.origin.clone(),
        // One at a time, so that the second commit's deploy is compared with the first one's.
        slots: 1,
        engine: EngineConfig {
            grace: args.grace.unwrap_or(defaults.engine.grace),
            lease: args.lease.unwrap_or(defaults.engine.lease),
            ..defaults.engine
        },
        shared: args.shared,
        secrets: Arc::new(GivenSecrets::new(args.account.clone(), args.project.clone(), secrets)),
        observer: Arc::new(observer),
        fault: Fault::from_env(),
        ..defaults
    };
    let mut host = Host::start(options, Box::new(|| Box::new(Fifo::new()))).await?;
    match &host.users {
        Ok(users) => eprintln!("commands run as users of their own, of the ids {} to {}", users.start, users.end - 1),
        Err(why) => eprintln!("commands run as the user of this program and could read its files: {why}"),
    }
    let (unfinished, keys) = deploy::submit(&host, &state, builds).await?;

    let mut view = stderr_view(Titles::new(keys.iter().map(|key| key.build).zip(titles.iter().cloned())), started);
    let logs = host.logs.clone();
    let mut showing = JoinSet::new();
    showing.spawn(async move { progress.run(view.as_mut(), logs.as_ref(), &clock).await });

    let (interrupted, records) = deploy::wait(&mut host, &keys).await?;
    let shown = deploy::show(&host, &state, &asked, &keys).await;
    let folders: BTreeMap<_, _> = shown.map(|folders| folders.into_iter().collect()).unwrap_or_else(|error| {
        eprintln!("the deploys cannot be looked at here: {}", one_line(&error.to_string()));
        BTreeMap::new()
    });
    let logs = host.logs.clone();
    // The observer goes with the host, and the progress ends with the observer.
    host.stop().await?;
    while let Some(shown) = showing.join_next().await {
        shown?;
    }
    let over = records.len() == keys.len() && records.iter().all(is_over);
    if over {
        unfinished.over()?;
    }
    show_failures(logs.as_ref(), &records).await;
    let summary = Summary::new(&records, |record| folders.get(&record.build.id).cloned());
    let result = if args.json { summary.to_json() + "\n" } else { closing::closing(&summary, &titles) };
    match std::io::stdout().write_all(result.as_bytes()) {
        // Whoever read it has enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(match (interrupted, over && summary.succeeded()) {
        (true, _) => ExitCode::from(INTERRUPTED),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
    })
}

fn is_over(record: &BuildRecord) -> bool {
    matches!(record.state, BuildState::Ended { .. })
}

/// The end of the log of each build that failed.
async fn show_failures(logs: &dyn LogStore, records: &[BuildRecord]) {
    for record in records {
        let BuildState::Ended { ending, .. } = &record.state else { continue };
        let Ending::Failed { failure } = ending else { continue };
        let lines = match record.attempts.last() {
            Some(last) => log_tail(logs, &record.key().attempt(last.number), TAIL).await,
            None => Vec::new(),
        };
        let end = if lines.is_empty() { "it has no log" } else { "the end of its log:" };
        eprintln!("\nfailed: {}; {end}", one_line(&failure.to_string()));
        for line in lines {
            eprintln!("  {line}");
        }
    }
}
