//! A receiver of webhooks in axum, recording into a SQLite outbox: `cargo run --example webhook_receiver`.
//!
//! `receiver.rs` is what a service does. Here the three Git hosts are played by this program itself, over a socket of
//! this machine: each pushes, delivers the same again, and is impersonated. At the end it proves that each push is
//! recorded once and nothing else is. One line a request goes to standard error, the proof to standard output: a text, or
//! one JSON object with `--json`.

mod git_host;
mod receiver;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use netbuild_core::intake::webhook::{Hook, HookScope, ProjectSettings, RepositoryId, Secrets};
use netbuild_core::model::{AccountId, BuildSpec, ProjectId, PublisherId};
use netbuild_core::port::{Clock, Outbox, SystemClock};
use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use git_host::Site;
use receiver::Receiver;

/// Receives webhooks of three Git hosts and proves that each push is recorded once.
#[derive(Debug, Parser)]
struct Args {
    /// Print the proof as one JSON object.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    let folder = tempfile::Builder::new().prefix("netbuild-webhooks-").tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = SqliteStore::open(folder.path().join("outbox.db"), SqliteOptions::default(), clock.clone()).await?;
    let outbox = Arc::new(store.outbox(PublisherId::new("api-1")?).await?);

    let sites = Site::all();
    let receiver = Receiver::new(hooks(&sites)?, projects(&sites)?, outbox.clone(), clock.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, receiver.router()).await });

    let (mut requests, mut wrong) = (0, 0);
    for site in &sites {
        for delivery in site.deliveries(clock.now()) {
            let (status, words) = delivery.send(address, site.name).await?;
            let right = status == delivery.expected;
            let (mark, what) = (if right { "" } else { "WRONG: " }, delivery.what);
            eprintln!("{mark}{:9}  {what:39}  {status}  {}", site.name, words.trim_end());
            requests += 1;
            wrong += u32::from(!right);
        }
    }

    let pending = outbox.pending(0, 100).await?;
    let projects: Vec<&str> = pending.iter().map(|message| message.build.project.as_str()).collect();
    let holds = wrong == 0 && projects == sites.each_ref().map(|site| site.name);
    let text = if args.json {
        serde_json::json!({ "requests": requests, "wrong": wrong, "recorded": projects, "once_each": holds })
            .to_string()
    } else {
        let verdict = if holds { "each push is recorded once, and nothing else" } else { "THE PROOF DOES NOT HOLD" };
        format!("{requests} requests, {wrong} answered wrongly; recorded: {}: {verdict}.", projects.join(", "))
    };
    // Who closed the output does not want it.
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(holds)
}

/// The webhooks by the names in their URLs, each with a secret of its own.
fn hooks(sites: &[Site]) -> Result<BTreeMap<String, Hook>, Box<dyn Error>> {
    let account = AccountId::new("demo")?;
    let hook = |site: &Site| {
        let scope = HookScope::Account(account.clone());
        Ok((site.name.to_owned(), Hook::new(site.host.clone(), scope, Secrets::new([site.secret.into()])?)))
    };
    sites.iter().map(hook).collect()
}

/// A project for each repository.
fn projects(sites: &[Site]) -> Result<Vec<ProjectSettings>, Box<dyn Error>> {
    let account = AccountId::new("demo")?;
    let project = |site: &Site| {
        let repository = RepositoryId::new(site.host.clone(), site.repository)?;
        let project = ProjectId::new(site.name)?;
        Ok(ProjectSettings::new(account.clone(), project, repository, "main", BuildSpec::new("make")))
    };
    sites.iter().map(project).collect()
}
