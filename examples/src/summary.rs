//! What became of the builds of an example, for programs: one JSON object.

use std::path::PathBuf;

use netbuild_core::model::{
    AttemptRecord, AttemptState, BuildRecord, BuildState, DeployInfo, Ending, Outcome, Owner, RunPhase,
};
use serde::Serialize;

/// The builds of an example and how they ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The builds, in the order given.
    pub builds: Vec<BuildSummary>,
}

/// A build and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BuildSummary {
    /// Its id.
    pub id: String,
    /// `deployed`, `passed`, `superseded`, `failed` or `cancelled`; `unfinished` for one that is not over.
    pub status: &'static str,
    /// Whose fault its failure was; `null` without a failure.
    pub owner: Option<Owner>,
    /// The exit code of the last attempt's command, where one was seen.
    pub exit_code: Option<i32>,
    /// Its attempts in the order of their numbers.
    pub attempts: Vec<AttemptSummary>,
    /// What it deployed: the visible deploy of a deployed build, the invisible one of a superseded build.
    pub deploy: Option<DeploySummary>,
}

/// An attempt and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttemptSummary {
    /// Its number.
    pub number: u32,
    /// Where it ran.
    pub executor: String,
    /// `succeeded`, `cancelled` or the cause of its failure; `null` for one that is not over.
    pub outcome: Option<&'static str>,
    /// Its phases in the order they ran.
    pub phases: Vec<PhaseSummary>,
}

/// A phase and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PhaseSummary {
    /// The phase.
    pub phase: RunPhase,
    /// Its milliseconds.
    pub millis: u64,
}

/// A deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeploySummary {
    /// How many files it has.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
    /// How many of them were uploaded, because the origin did not have them.
    pub uploaded: u64,
    /// The digest of its manifest.
    pub digest: String,
    /// Where its files can be looked at; `null` where they cannot.
    pub path: Option<PathBuf>,
}

impl Summary {
    /// A summary of records; `path` says where a build's deploy can be looked at.
    pub fn new<'a>(
        records: impl IntoIterator<Item = &'a BuildRecord>,
        path: impl Fn(&BuildRecord) -> Option<PathBuf>,
    ) -> Self {
        Summary { builds: records.into_iter().map(|record| build(record, path(record))).collect() }
    }

    /// The JSON object in one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and UTF-8 paths are always JSON")
    }

    /// Whether every build came to a good end: an example's exit status.
    pub fn succeeded(&self) -> bool {
        self.builds.iter().all(|build| matches!(build.status, "deployed" | "passed" | "superseded"))
    }
}

fn build(record: &BuildRecord, path: Option<PathBuf>) -> BuildSummary {
    let ending = match &record.state {
        BuildState::Ended { ending, .. } => Some(ending),
        BuildState::Queued { .. } | BuildState::Live { .. } | BuildState::Activating { .. } => None,
    };
    let deploy = match ending {
        Some(Ending::Deployed { deploy } | Ending::Superseded { deploy, .. }) => Some(summarise(deploy, path)),
        _ => None,
    };
    let owner = match ending {
        Some(Ending::Failed { failure }) => Some(failure.owner()),
        _ => None,
    };
    BuildSummary {
        id: record.build.id.to_string(),
        status: ending.map_or("unfinished", Ending::label),
        owner,
        exit_code: record.attempts.last().and_then(|last| last.state.outcome()?.exit_code()),
        attempts: record.attempts.iter().map(attempt).collect(),
        deploy,
    }
}

fn attempt(record: &AttemptRecord) -> AttemptSummary {
    let phases = match &record.state {
        AttemptState::Settled { report, .. } => &report.phases[..],
        AttemptState::Planned | AttemptState::Pending { .. } | AttemptState::Running { .. } => &[],
    };
    AttemptSummary {
        number: record.number.get(),
        executor: record.route.executor.to_string(),
        outcome: record.state.outcome().map(Outcome::label),
        phases: phases.iter().map(|time| PhaseSummary { phase: time.phase, millis: time.millis }).collect(),
    }
}

fn summarise(deploy: &DeployInfo, path: Option<PathBuf>) -> DeploySummary {
    let DeployInfo { manifest, files, bytes, uploaded } = deploy;
    DeploySummary { files: *files, bytes: *bytes, uploaded: *uploaded, digest: manifest.to_string(), path }
}

#[cfg(test)]
mod tests {

    use netbuild_core::model::{
        AccountId, AttemptNumber, Build, BuildId, BuildSpec, Cause, DeployContext, Digest, ExecutorName, Failure,
        PhaseTime, Place, Priority, ProjectId, PublisherId, Rank, Report, RepositoryUrl, Revision, Route, Source,
        Timestamp, Trust,
    };
    use serde_json::json;

    use super::*;

    fn record(outcome: Outcome, state: BuildState) -> BuildRecord {
        let spec = BuildSpec::new("make");
        let build = Build {
            id: BuildId::new(Timestamp::EPOCH, [0; 10]),
            account: AccountId::new("a").unwrap(),
            project: ProjectId::new("p").unwrap(),
            source: Source {
                repository: RepositoryUrl::parse("https://git.example/r").unwrap(),
                revision: Revision::parse("main").unwrap(),
            },
            context: DeployContext::Production,
            spec,
            priority: Priority::default(),
            trust: Trust::Trusted,
            created_at: Timestamp::EPOCH,
        };
        let place = Place { publisher: PublisherId::new("p").unwrap(), epoch: 1, seq: 1 };
        let phases = vec![PhaseTime { phase: RunPhase::Run, began_at: Timestamp::EPOCH, millis: 12 }];
        let report = Report { phases, ..Report::of(outcome) };
        let attempt = AttemptRecord {
            number: AttemptNumber::FIRST,
            route: Route::fixed(ExecutorName::new("process").unwrap()),
            planned_at: Timestamp::EPOCH,
            host: None,
            state: AttemptState::Settled { at: Timestamp::EPOCH, report },
        };
        BuildRecord { attempts: vec![attempt], state, ..BuildRecord::admitted(build, place, Rank(1), Timestamp::EPOCH) }
    }

    fn ended(ending: Ending) -> BuildState {
        BuildState::Ended { ending, at: Timestamp::EPOCH }
    }

    fn json(record: &BuildRecord) -> serde_json::Value {
        let summary = Summary::new([record], |_| Some(PathBuf::from("/srv/site")));
        assert!(!summary.to_json().contains('\n'));
        serde_json::from_str::<serde_json::Value>(&summary.to_json()).unwrap()["builds"][0].take()
    }

    #[test]
    fn a_deploy_has_its_numbers_digest_and_path() {
        let deploy = DeployInfo { manifest: Digest::of("m"), files: 3, bytes: 40, uploaded: 1 };
        let outcome = Outcome::Succeeded { deploy: Some(deploy.clone()) };
        let record = record(outcome, ended(Ending::Deployed { deploy }));
        let expected = json!({
            "id": record.build.id.to_string(),
            "status": "deployed",
            "owner": null,
            "exit_code": 0,
            "attempts": [{
                "number": 1,
                "executor": "process",
                "outcome": "succeeded",
                "phases": [{"phase": "run", "millis": 12}],
            }],
            "deploy": {
                "files": 3,
                "bytes": 40,
                "uploaded": 1,
                "digest": Digest::of("m").to_string(),
                "path": "/srv/site",
            },
        });
        assert_eq!(json(&record), expected);
    }

    #[test]
    fn a_failure_has_its_owner_and_code_and_is_no_success() {
        let failure = Failure::new(Cause::CommandFailed { code: 3 }, "");
        let record = record(Outcome::Failed(failure.clone()), ended(Ending::Failed { failure }));
        let json = json(&record);
        assert_eq!(
            (&json["status"], &json["owner"], &json["exit_code"]),
            (&json!("failed"), &json!("customer"), &json!(3))
        );
        assert_eq!(json["attempts"][0]["outcome"], "command_failed");
        assert_eq!(json["deploy"], json!(null));
        assert!(!Summary::new([&record], |_| None).succeeded());
    }

    #[test]
    fn a_build_that_is_not_over_is_unfinished_and_no_success() {
        let queued = BuildState::Queued { since: Timestamp::EPOCH, not_before: Timestamp::EPOCH };
        let record = record(Outcome::Failed(Failure::new(Cause::Lost, "")), queued);
        assert_eq!(json(&record)["status"], "unfinished");
        assert!(!Summary::new([&record], |_| None).succeeded());
        assert!(Summary::new([], |_| None).succeeded(), "nothing was asked, nothing failed");
    }
}
