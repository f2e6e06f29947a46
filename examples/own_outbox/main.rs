//! A host whose own database already records its events: `cargo run --example own_outbox`.
//!
//! The host has a table of push events in PostgreSQL, with columns of its own, and makes no second record of them: it
//! implements `Outbox` over that table. netbuild's publisher takes the events from there to the queue. While events come in
//! from several connections, of which some roll back, the publisher is stopped in the middle and another one goes on. At the
//! end it proves that every committed event arrived once, in the order of its number.
//!
//! It starts a PostgreSQL server of its own, or takes `--database ADDRESS`. Progress goes to standard error, the proof to
//! standard output: a text for people, or one JSON object with `--json`.

mod host;
mod outbox;
mod proof;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use netbuild_core::intake::{Publisher, PublisherConfig};
use netbuild_core::port::{Clock, Outbox, Queue, Receipt, SystemClock};
use netbuild_queue::postgres::{PostgresOptions, PostgresStore};
use netbuild_servers::PostgresServer;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use host::{Host, Pushes};
use outbox::HostOutbox;
use proof::Proof;

/// Publishes the events of a table that the host had before netbuild, and proves that none is lost.
#[derive(Debug, Parser)]
struct Args {
    /// Print the proof as one JSON object.
    #[arg(long)]
    json: bool,
    /// A database to use, as postgres://user:password@host:port/database; the example makes the schemas own_outbox and
    /// own_outbox_queue in it, anew at each run. Without it, a server of its own.
    #[arg(long)]
    database: Option<String>,
    /// Events of each of four connections (10 to 10000).
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    events: u32,
}

/// How long the last events may take. Far more than they need.
const PATIENT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(proof) => {
            let text = if args.json { proof.to_json() } else { proof.to_text() };
            // Who closed the output does not want it.
            let _ = writeln!(std::io::stdout(), "{text}");
            if proof.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            let sources = std::iter::successors(error.source(), |error| (*error).source());
            sources.for_each(|source| eprintln!("  because: {source}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<Proof, Box<dyn Error + Send + Sync>> {
    let folder = tempfile::Builder::new().prefix("netbuild-own-outbox-").tempdir()?;
    // Lives as long as this function.
    let own = match &args.database {
        Some(_) => None,
        None => Some(PostgresServer::start(folder.path())?),
    };
    let address = own.as_ref().map_or_else(|| args.database.clone().unwrap_or_default(), PostgresServer::url);
    let host = Host::make(&address).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let options = PostgresOptions { schema: "own_outbox_queue".to_owned(), ..PostgresOptions::default() };
    let queue: Arc<dyn Queue> = Arc::new(PostgresStore::open(&address, options, clock.clone()).await?.queue());
    let outbox = Arc::new(HostOutbox::open(&address).await?);

    let mut hosts_work = JoinSet::new();
    for connection in 0..host::CONNECTIONS {
        hosts_work.spawn(Pushes::of(connection, args.events).record(address.clone()));
    }
    // Two lives of the publisher, the first of which ends at any moment: what it left pending the second one finds.
    let first = publish(&outbox, &queue, &clock);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let left = outbox.backlog().await?.count;
    first.stop().await;
    eprintln!("the first publisher was stopped with {left} events pending; another one goes on");
    let second = publish(&outbox, &queue, &clock);
    let mut rolled_back = 0;
    while let Some(done) = hosts_work.join_next().await {
        rolled_back += done??;
    }
    let committed = host.committed().await?;
    eprintln!("{} events are committed in the host's table, {rolled_back} were rolled back", committed.len());

    let received = tokio::time::timeout(PATIENT, receive(queue.as_ref(), committed.len())).await;
    let received = received.map_err(|_| "not all events arrived in a minute")??;
    second.stop().await;
    Ok(Proof::of(&committed, &received, rolled_back, outbox.backlog().await?.count))
}

/// A publisher under way.
struct Publishing {
    shutdown: CancellationToken,
    task: JoinSet<()>,
}

fn publish(outbox: &Arc<HostOutbox>, queue: &Arc<dyn Queue>, clock: &Arc<dyn Clock>) -> Publishing {
    let config = PublisherConfig { batch: 50, poll: Duration::from_millis(20), ..PublisherConfig::default() };
    let publisher = Publisher::new(outbox.clone(), queue.clone(), clock.clone(), config);
    let (shutdown, mut task) = (CancellationToken::new(), JoinSet::new());
    let until = shutdown.clone();
    task.spawn(async move { publisher.run(until).await });
    Publishing { shutdown, task }
}

impl Publishing {
    async fn stop(mut self) {
        self.shutdown.cancel();
        while self.task.join_next().await.is_some() {}
    }
}

/// What the queue hands out, as the number and the commit of each message, until so many different ones came.
async fn receive(queue: &dyn Queue, count: usize) -> Result<Vec<proof::Arrived>, Box<dyn Error + Send + Sync>> {
    let mut arrived = Vec::new();
    while arrived.len() < count {
        let deliveries = queue.receive(100, Duration::from_secs(1)).await?;
        let receipts: Vec<Receipt> = deliveries.iter().map(|delivery| delivery.receipt.clone()).collect();
        arrived.extend(deliveries.iter().map(|delivery| proof::Arrived::of(&delivery.message)));
        queue.ack(&receipts).await?;
    }
    // One more look, for what should not be there.
    let more = queue.receive(100, Duration::from_millis(200)).await?;
    arrived.extend(more.iter().map(|delivery| proof::Arrived::of(&delivery.message)));
    Ok(arrived)
}
