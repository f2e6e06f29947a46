//! A broker that goes away for some seconds while events keep coming: `cargo run --example publish_through_partition`.
//!
//! Events are recorded in a SQLite outbox and published through a breaker. After two seconds the network between publisher
//! and broker becomes a black hole; the breaker opens, and what is accepted is kept back in the outbox. When the network is
//! back, a probe closes the breaker and the backlog is drained in order, with new events behind it. At the end it proves
//! that every accepted event was admitted once and in order. With a `nats-server` on the path the broker is a real one
//! behind a fault proxy; without, one in memory stands in.
//!
//! Progress goes to standard error, the proof to standard output: a text for people, or one JSON object with `--json`.

mod broker;
mod chart;
mod consumer;
mod events;
mod proof;

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use netbuild_core::breaker::{Breaker, BreakerConfig, BreakerState, FailureRatio, OpenTimes, Recovery};
use netbuild_core::intake::{Publisher, PublisherConfig};
use netbuild_core::model::PublisherId;
use netbuild_core::port::{Clock, SystemClock};
use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use broker::Broker;
use chart::Chart;
use consumer::Consumer;
use proof::Proof;

/// Shows what happens to events while the broker is away, and proves that none is lost.
#[derive(Debug, Parser)]
struct Args {
    /// Print the proof as one JSON object.
    #[arg(long)]
    json: bool,
    /// How long the broker is away, in seconds (1 to 15).
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=15))]
    partition: u64,
    /// Events a second (1 to 1000).
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// Use the broker in memory also where there is a nats-server.
    #[arg(long)]
    stand_in: bool,
}

/// How long all is calm before the partition, and how long events keep coming after it.
const CALM: Duration = Duration::from_secs(2);

/// How long the last events may take. Far more than they need.
const PATIENT: Duration = Duration::from_secs(60);

/// Between two lines of the chart.
const LOOK: Duration = Duration::from_millis(250);

/// How fast the backlog is drained, as a multiple of the rate at which events come.
const DRAIN: u32 = 8;

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

async fn run(args: &Args) -> Result<Proof, Box<dyn Error>> {
    let folder = tempfile::Builder::new().prefix("netbuild-partition-").tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let broker = Broker::start(args.stand_in, folder.path(), clock.clone()).await?;
    let mut chart = Chart::new(std::io::stderr().is_terminal(), broker.name());

    let store = SqliteStore::open(folder.path().join("outbox.db"), SqliteOptions::default(), clock.clone()).await?;
    let outbox = Arc::new(store.outbox(PublisherId::new("api-1")?).await?);
    // Quick, so that it can be watched: open after two failures, for half a second at first.
    let trip = FailureRatio { window: 4, least_calls: 2, ..FailureRatio::default() };
    let open_times = OpenTimes::doubling(Duration::from_millis(500), Duration::from_secs(1));
    let recovery = Recovery { open_times, ..Recovery::default() };
    let breaker = Arc::new(Breaker::new(BreakerConfig { trip, recovery }));
    let config = PublisherConfig {
        batch: 25,
        drain_rate: NonZeroU32::new(args.rate * DRAIN),
        retry: Duration::from_millis(200),
        poll: Duration::from_millis(50),
        deadline: Duration::from_millis(500),
    };
    let publisher = Arc::new(Publisher::with_breaker(outbox, broker.publish_to(), breaker, clock.clone(), config));

    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (publishing, until) = (publisher.clone(), shutdown.clone());
    tasks.spawn(async move { publishing.run(until).await });
    let consumer = Consumer::start(broker.receive_from(), clock.clone(), shutdown.clone(), &mut tasks).await?;
    let coming = CancellationToken::new();
    let mut recording = JoinSet::new();
    recording.spawn(events::record(publisher.clone(), args.rate, coming.clone()));

    let partition = Duration::from_secs(args.partition);
    let mut kept_back = 0;
    let mut time = Duration::ZERO;
    let (mut is_away, mut was_away) = (false, false);
    loop {
        let status = publisher.status().await?;
        if status.breaker != BreakerState::Closed {
            kept_back = kept_back.max(status.backlog.count);
        }
        chart.draw(time, is_away, &status, consumer.admitted());
        if !was_away && time >= CALM {
            broker.partition();
            (is_away, was_away) = (true, true);
            chart.say("the network between publisher and broker becomes a black hole; events keep coming");
        }
        if is_away && time >= CALM + partition {
            broker.heal();
            is_away = false;
            chart.say("the network is back; the broker finds the next probe");
        }
        if time >= CALM * 2 + partition {
            coming.cancel();
        }
        if coming.is_cancelled() && (status.backlog.count == 0 || time > CALM * 2 + partition + PATIENT) {
            break;
        }
        sleep(LOOK).await;
        time += LOOK;
    }
    let mut accepted = Vec::new();
    while let Some(recorded) = recording.join_next().await {
        accepted.extend(recorded??);
    }
    consumer.until(accepted.len(), PATIENT).await;
    chart.draw(time, is_away, &publisher.status().await?, consumer.admitted());
    chart.end();
    let drained = publisher.status().await?.counts.drained;
    shutdown.cancel();
    while tasks.join_next().await.is_some() {}
    Ok(consumer.prove(&accepted, kept_back, drained))
}
