//! The life of a flag: `cargo run --example flags`.
//!
//! Builds of a thousand customers move from Docker hosts to pods: the flag is defined in a file, explained, previewed,
//! raised in the store that keeps its history, ramped to everybody, and killed. Each step prints what a person would want
//! to know before and after it; the example ends with what it proves.

mod customers;
mod story;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use story::Story;

/// The life of a flag, from its definition to the kill switch.
#[derive(Debug, Parser)]
struct Args {
    /// How many customers there are, each with three projects.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    accounts: u32,
    /// Print the result as one JSON object, the last line of standard output.
    #[arg(long)]
    json: bool,
}

/// What the example proves.
#[derive(Clone, Copy, Debug, Serialize)]
struct Proof {
    /// How many customers there are.
    accounts: u64,
    /// For how many the flag was on at first, and after its share was raised.
    on_at_first: u64,
    on_after_raise: u64,
    /// How many the preview of that change told to move in and out.
    previewed_in: u64,
    previewed_out: u64,
    /// How many moved out when the share was raised: nobody.
    moved_out: u64,
    /// How many customers changed sides at another moment than the ramp had told, or more than once.
    off_schedule: u64,
    /// How many builds the kill switch left in pods.
    left_in_pods: u64,
}

impl Proof {
    fn holds(&self) -> bool {
        self.previewed_in == self.on_after_raise - self.on_at_first
            && [self.previewed_out, self.moved_out, self.off_schedule, self.left_in_pods] == [0; 4]
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(&args)));
    match done {
        Ok(proof) if proof.holds() => ExitCode::SUCCESS,
        Ok(proof) => {
            eprintln!("error: the proof does not hold: {proof:?}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<Proof, Box<dyn Error>> {
    let mut story = Story::begin(args.accounts as usize).await?;
    story.explain()?;
    let on_at_first = story.reach().await?;
    let (previewed_in, previewed_out) = story.preview_and_raise().await?;
    let on_after_raise = story.reach().await?;
    let moved_out = story.moved_out()?;
    let off_schedule = story.ramp().await?;
    let left_in_pods = story.route_and_kill().await?;
    story.look_back().await?;
    let accounts = u64::from(args.accounts);
    let proof = Proof {
        accounts,
        on_at_first,
        on_after_raise,
        previewed_in,
        previewed_out,
        moved_out,
        off_schedule,
        left_in_pods,
    };
    eprintln!(
        "\nOf {accounts} customers {on_at_first} were in at first and {on_after_raise} after the share was raised; \
         {moved_out} moved out;\n{off_schedule} changed sides at another moment than was told; the kill switch left \
         {left_in_pods} builds in pods."
    );
    if args.json {
        println!("{}", serde_json::to_string(&proof)?);
    }
    Ok(proof)
}
