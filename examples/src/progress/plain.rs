//! Progress as plain lines, for pipes and files.

use std::fmt;
use std::io::Write;

use netbuild_core::model::Timestamp;

use super::{DisplayEvent, Titles, View, text};

/// Writes a line for each step: `[  1.234 s] title: step`. No terminal sequences.
pub struct PlainView<W> {
    out: W,
    titles: Titles,
    start: Timestamp,
}

impl<W> PlainView<W> {
    /// A view whose times count from `start`.
    pub fn new(out: W, titles: Titles, start: Timestamp) -> Self {
        PlainView { out, titles, start }
    }
}

impl<W: Write + Send> View for PlainView<W> {
    fn colours(&self) -> bool {
        false
    }

    fn show(&mut self, event: &DisplayEvent, at: Timestamp) {
        let (title, step) = (self.titles.of(event.build.build), text::step(&event.step));
        let time = at.since(self.start).as_secs_f64();
        // Nobody reads on: the build goes on all the same.
        let _ = writeln!(self.out, "[{time:>7.3} s] {title}: {step}");
    }

    fn tick(&mut self, _now: Timestamp) {}

    fn close(&mut self, dropped: u64) {
        if dropped > 0 {
            let _ = writeln!(self.out, "{dropped} steps came too fast to be shown");
        }
        let _ = self.out.flush();
    }
}

impl<W> fmt::Debug for PlainView<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainView").field("titles", &self.titles).field("start", &self.start).finish_non_exhaustive()
    }
}
