//! A real Git repository fetched, built and deployed by one program: `cargo run --example quickstart`.
//!
//! Without options it makes a small site with two commits and builds both, so that the second deploy shows its few
//! changed files; `--help` tells how it builds any repository. Progress goes to standard error, the result to standard
//! output: a text for people, or one JSON object with `--json`.

mod args;
mod builds;
mod closing;
mod secrets;
mod stack;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use netbuild_core::model::BuildId;
use netbuild_core::port::{Clock, SystemClock};
use netbuild_examples::site::Site;
use netbuild_examples::summary::Summary;

use args::{Args, Work};
use builds::Titled;
use secrets::GivenSecrets;
use stack::Stack;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match Args::parse_from(std::env::args_os(), |name| std::env::var(name).ok()) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    match run(args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            let sources = std::iter::successors(error.source(), |error| (*error).source());
            sources.for_each(|source| eprintln!("  because: {source}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every build came to a good end.
async fn run(args: Args) -> Result<bool, Box<dyn Error>> {
    let clock = SystemClock::new();
    let state = match &args.state {
        Some(folder) => folder.clone(),
        None => tempfile::Builder::new().prefix("netbuild-quickstart-").tempdir()?.keep(),
    };
    let (builds, secrets) = match &args.work {
        Work::Demo => {
            let site = Site::create(&state)?;
            (builds::demo(&args, &site, clock.now(), BuildId::generate)?, BTreeMap::new())
        }
        Work::Repository(request) => {
            let build = builds::requested(&args, request, BuildId::generate(), clock.now());
            (vec![build], request.secrets.clone())
        }
    };
    let (titles, builds): (Vec<_>, Vec<_>) = builds.into_iter().map(|Titled { title, build }| (title, build)).unzip();
    let origin: PathBuf = args.origin.clone().unwrap_or_else(|| state.join("origin"));
    let secrets = GivenSecrets::new(args.account.clone(), args.project.clone(), secrets);
    let stack = Stack { state, origin, secrets, titles: titles.clone() };
    let records = stack.deploy(builds).await?;
    let summary = Summary::new(&records, |_| None);
    if args.json {
        println!("{}", summary.to_json());
    } else {
        print!("{}", closing::closing(&summary, &titles));
    }
    Ok(summary.succeeded())
}
