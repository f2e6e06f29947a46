//! Steps, times and sizes as words.

use std::time::Duration;

use netbuild_core::log::one_line;
use netbuild_core::model::{DeployInfo, Ending, Report, RunPhase};

use super::Step;

/// A step in one line that is safe for a terminal.
pub(crate) fn step(step: &Step) -> String {
    match step {
        Step::Log(line) => format!("| {line}"),
        step => one_line(&words(step)),
    }
}

fn words(step: &Step) -> String {
    match step {
        Step::Admitted => "in the backlog".to_owned(),
        Step::Planned { number, executor } => format!("attempt {number} goes to {executor}"),
        Step::Accepted { host: Some(host) } => format!("accepted on {host}"),
        Step::Accepted { host: None } => "accepted".to_owned(),
        Step::Running { number } => format!("attempt {number} runs"),
        Step::Phase(phase) => phase_now(*phase).to_owned(),
        Step::Log(line) => line.clone(),
        Step::Settled { number, report } => settled(number.get(), report),
        Step::Requeued => "back to the backlog".to_owned(),
        Step::Unknown => "no news of the attempt; it is looked for".to_owned(),
        Step::Ended(ended) => ending(ended),
    }
}

fn phase_now(phase: RunPhase) -> &'static str {
    match phase {
        RunPhase::Fetch => "fetching",
        RunPhase::Restore => "restoring the caches",
        RunPhase::Run => "running",
        RunPhase::Collect => "collecting",
        RunPhase::Upload => "uploading",
        RunPhase::Save => "saving the caches",
        other => other.label(),
    }
}

fn settled(number: u32, report: &Report) -> String {
    let phases: Vec<String> = report
        .phases
        .iter()
        .map(|time| format!("{} {}", time.phase.label(), seconds(Duration::from_millis(time.millis))))
        .collect();
    let label = report.outcome.label().replace('_', " ");
    if phases.is_empty() {
        format!("attempt {number}: {label}")
    } else {
        format!("attempt {number}: {label} ({})", phases.join(", "))
    }
}

/// How a build ended, in one line.
pub(crate) fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Deployed { deploy } => format!("deployed: {}", self::deploy(deploy)),
        Ending::Passed => "passed".to_owned(),
        Ending::Superseded { deploy, .. } => {
            format!("superseded by a newer build; its own deploy is kept: {}", self::deploy(deploy))
        }
        Ending::Failed { failure } => format!("failed: {failure}"),
        Ending::Cancelled { .. } => "cancelled".to_owned(),
    }
}

/// A deploy's numbers in one line.
pub(crate) fn deploy(deploy: &DeployInfo) -> String {
    format!("{} files, {}, {} uploaded", deploy.files, size(deploy.bytes), deploy.uploaded)
}

/// Seconds with one or two digits after the point: `1.25 s`, `31.0 s`.
pub(crate) fn seconds(time: Duration) -> String {
    let digits = if time < Duration::from_secs(10) { 2 } else { 1 };
    format!("{:.digits$} s", time.as_secs_f64())
}

/// Bytes in the largest unit that leaves at least 1: `1.4 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::{Cause, Failure};

    use super::*;

    #[test]
    fn texts_of_others_cannot_drive_the_terminal() {
        let failure = Failure::new(Cause::CommandFailed { code: 3 }, "a\n\u{1b}[2Jb");
        let text = step(&Step::Ended(Ending::Failed { failure }));
        assert_eq!(text, "failed: command failed with exit code 3 (owner customer): a b");
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1 << 20), "1.0 MiB");
        assert_eq!(seconds(Duration::from_millis(1254)), "1.25 s");
        assert_eq!(seconds(Duration::from_millis(31_000)), "31.0 s");
    }
}
