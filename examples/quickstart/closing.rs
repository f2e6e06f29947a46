//! The closing text: what became of the builds, and what that proves.

use std::fmt::Write;

use netbuild_core::log::one_line;
use netbuild_examples::summary::{BuildSummary, Summary};

/// The text for people. It claims only what the summary shows.
pub(crate) fn closing(summary: &Summary, titles: &[String]) -> String {
    let mut text = String::new();
    for (build, title) in summary.builds.iter().zip(titles) {
        text += &format!("{}: {}\n", one_line(title), fate(build));
    }
    if let Some(path) = summary.builds.iter().rev().find_map(|build| build.deploy.as_ref()?.path.as_ref()) {
        text += &format!("Look at it: {}\n", path.display());
    }
    let proofs = proofs(&summary.builds);
    if !proofs.is_empty() {
        text += "\nWhat this proves:\n";
    }
    for proof in proofs {
        text += &format!("- {proof}\n");
    }
    text
}

fn fate(build: &BuildSummary) -> String {
    let mut text = build.status.to_owned();
    let millis: u64 = build.attempts.iter().flat_map(|attempt| &attempt.phases).map(|phase| phase.millis).sum();
    let _ = write!(text, " after {}.{:01} s", millis / 1000, millis % 1000 / 100);
    if let Some(deploy) = &build.deploy {
        let _ = write!(text, ": {} files, {} bytes, {} uploaded", deploy.files, deploy.bytes, deploy.uploaded);
    }
    if let Some(owner) = build.owner {
        let _ = write!(text, ", owner {owner}");
    }
    if let Some(code) = build.exit_code.filter(|code| *code != 0) {
        let _ = write!(text, ", exit code {code}");
    }
    text
}

fn proofs(builds: &[BuildSummary]) -> Vec<String> {
    let mut proofs = Vec::new();
    if builds.iter().any(|build| build.status == "deployed") {
        proofs.push(
            "A Git repository was fetched, built and deployed by this program alone: no server, broker or container."
                .to_owned(),
        );
    }
    if let [.., before, last] = builds
        && let (Some(_), Some(deploy)) = (&before.deploy, &last.deploy)
        && deploy.uploaded < deploy.files
    {
        proofs.push(format!(
            "Deploys are addressed by content: of the {} files of the last one only {} were uploaded.",
            deploy.files, deploy.uploaded
        ));
    }
    if builds.iter().any(|build| build.attempts.len() > 1 && build.status == "deployed") {
        proofs.push("A build survives an attempt that failed: another one deployed it.".to_owned());
    }
    for build in builds {
        let [attempt] = &build.attempts[..] else { continue };
        if let ("failed", Some("command_failed"), Some(code)) = (build.status, attempt.outcome, build.exit_code) {
            proofs
                .push(format!("A failing command is the customer's: exit code {code} was kept, nothing was retried."));
        }
    }
    proofs
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::{Owner, RunPhase};
    use netbuild_examples::summary::{AttemptSummary, DeploySummary, PhaseSummary};

    use super::*;

    fn deployed(uploaded: u64) -> BuildSummary {
        let phases = vec![PhaseSummary { phase: RunPhase::Run, millis: 1250 }];
        let attempt = AttemptSummary { number: 1, executor: "process".to_owned(), outcome: Some("succeeded"), phases };
        let digest = "d".to_owned();
        let path = Some("/srv/site".into());
        BuildSummary {
            id: "1".to_owned(),
            status: "deployed",
            owner: None,
            exit_code: Some(0),
            attempts: vec![attempt],
            deploy: Some(DeploySummary { files: 302, bytes: 9, uploaded, digest, path }),
        }
    }

    fn failed() -> BuildSummary {
        let mut build = BuildSummary { status: "failed", owner: Some(Owner::Customer), ..deployed(0) };
        build.attempts[0].outcome = Some("command_failed");
        (build.exit_code, build.deploy) = (Some(3), None);
        build
    }

    #[test]
    fn two_deploys_prove_that_only_what_changed_was_uploaded() {
        let summary = Summary { builds: vec![deployed(302), deployed(6)] };
        let text = closing(&summary, &["first".to_owned(), "second".to_owned()]);
        assert!(text.starts_with("first: deployed after 1.2 s: 302 files, 9 bytes, 302 uploaded\n"), "{text}");
        assert!(text.contains("Look at it: /srv/site\n"), "{text}");
        assert!(text.contains("of the 302 files of the last one only 6 were uploaded"), "{text}");
        assert!(!text.contains("failing"), "{text}");
    }

    #[test]
    fn a_failure_proves_its_own_thing_and_nothing_else() {
        let text = closing(&Summary { builds: vec![failed()] }, &["main".to_owned()]);
        assert!(text.starts_with("main: failed after 1.2 s, owner customer, exit code 3\n"), "{text}");
        assert!(text.contains("exit code 3 was kept") && !text.contains("was fetched"), "{text}");
    }

    #[test]
    fn nothing_is_claimed_of_builds_that_are_not_over() {
        let build = BuildSummary { status: "unfinished", deploy: None, ..deployed(0) };
        assert!(!closing(&Summary { builds: vec![build] }, &["main".to_owned()]).contains("proves"));
    }
}
