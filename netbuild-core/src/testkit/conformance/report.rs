//! What a suite found.

use std::fmt;

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The contract was kept.
    Passed,
    /// The case does not concern this implementation, for this reason.
    Skipped(String),
    /// The contract was broken: where in the suite, and what was found.
    Failed(String),
}

/// The cases of a suite by how they ended, each in the order they ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The names of those that passed.
    pub passed: Vec<&'static str>,
    /// The names of those that were skipped, and why.
    pub skipped: Vec<(&'static str, String)>,
    /// The names of those that failed, and what was found.
    pub failed: Vec<(&'static str, String)>,
}

impl Report {
    /// Adds a case.
    pub fn add(&mut self, case: &'static str, verdict: Verdict) {
        match verdict {
            Verdict::Passed => self.passed.push(case),
            Verdict::Skipped(reason) => self.skipped.push((case, reason)),
            Verdict::Failed(finding) => self.failed.push((case, finding)),
        }
    }

    /// Prints the report, so that skips are seen.
    ///
    /// # Panics
    /// When a case failed, with the names and findings of all that did; and when none passed.
    #[track_caller]
    pub fn assert_all_passed(&self) {
        println!("{self}");
        assert!(self.failed.is_empty(), "{self}");
        assert!(!self.passed.is_empty(), "no case ran");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { passed, skipped, failed } = self;
        write!(f, "{} passed, {} skipped, {} failed", passed.len(), skipped.len(), failed.len())?;
        skipped.iter().try_for_each(|(case, reason)| write!(f, "\n  skipped {case}: {reason}"))?;
        failed.iter().try_for_each(|(case, finding)| write!(f, "\n  failed {case}: {finding}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "failed b: found 2")]
    fn a_failed_case_is_named() {
        let mut report = Report::default();
        report.add("a", Verdict::Passed);
        report.add("b", Verdict::Failed("found 2".to_owned()));
        report.assert_all_passed();
    }

    #[test]
    #[should_panic(expected = "no case ran")]
    fn a_suite_that_skips_all_is_no_proof() {
        let mut report = Report::default();
        report.add("a", Verdict::Skipped("not declared".to_owned()));
        report.assert_all_passed();
    }
}
