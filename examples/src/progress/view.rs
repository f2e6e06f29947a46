//! What shows progress, and which one fits standard error.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{IsTerminal, stderr};

use netbuild_core::log::one_line;
use netbuild_core::model::{BuildId, Timestamp};

use super::{DisplayEvent, LiveView, PlainView};

/// Shows progress to people. What it cannot write it drops: progress never fails a build.
pub trait View: Debug + Send {
    /// Whether log lines shall keep their colours.
    fn colours(&self) -> bool;

    /// Shows a step that happened at a time.
    fn show(&mut self, event: &DisplayEvent, at: Timestamp);

    /// Time goes on without a step; called about ten times a second.
    fn tick(&mut self, now: Timestamp);

    /// Nothing more comes. `dropped` steps were not shown, because they came faster than they could be.
    fn close(&mut self, dropped: u64);
}

/// What people call the builds; one without a title is called by the end of its id.
#[derive(Clone, Debug, Default)]
pub struct Titles(BTreeMap<BuildId, String>);

impl Titles {
    /// Titles by build, each made safe for a terminal.
    pub fn new(titles: impl IntoIterator<Item = (BuildId, String)>) -> Self {
        Titles(titles.into_iter().map(|(build, title)| (build, one_line(&title))).collect())
    }

    /// The title of a build.
    pub fn of(&self, build: BuildId) -> String {
        match self.0.get(&build) {
            Some(title) => title.clone(),
            None => {
                // The first digits of a version 7 UUID are a time, nearly the same for all; the last are random.
                let id = build.to_string();
                format!("build …{}", &id[id.len() - 6..])
            }
        }
    }
}

/// The view for standard error: bars when it is a terminal; otherwise plain lines, whose
/// times count from `start`.
pub fn stderr_view(titles: Titles, start: Timestamp) -> Box<dyn View> {
    if stderr().is_terminal() {
        Box::new(LiveView::new(indicatif::ProgressDrawTarget::stderr(), titles))
    } else {
        Box::new(PlainView::new(stderr(), titles, start))
    }
}
