//! Progress as bars, for terminals.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use netbuild_core::model::{BuildId, RunPhase, Timestamp};

use super::{DisplayEvent, Step, Titles, View, text};

/// A bar for each build, with its phase and time; log lines run above the bars.
#[derive(Debug)]
pub struct LiveView {
    bars: MultiProgress,
    titles: Titles,
    builds: BTreeMap<BuildId, Bar>,
}

#[derive(Debug)]
struct Bar {
    bar: ProgressBar,
    began_at: Timestamp,
    doing: String,
}

/// The parts of a bar: backlog, start and the four phases of a runner.
const PARTS: u64 = 8;

impl LiveView {
    /// A view that draws on `target`; each build's time counts from its first step.
    pub fn new(target: ProgressDrawTarget, titles: Titles) -> Self {
        LiveView { bars: MultiProgress::with_draw_target(target), titles, builds: BTreeMap::new() }
    }

    fn bar(&mut self, build: BuildId, at: Timestamp) -> &mut Bar {
        let LiveView { bars, titles, builds, .. } = self;
        builds.entry(build).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(PARTS).with_style(style("{spinner} {prefix:.bold} {bar:12} {msg}")));
            bar.set_prefix(titles.of(build));
            Bar { bar, began_at: at, doing: String::new() }
        })
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates of this file are well formed").progress_chars("━╸ ")
}

impl View for LiveView {
    fn colours(&self) -> bool {
        true
    }

    fn show(&mut self, event: &DisplayEvent, at: Timestamp) {
        if let Step::Log(_) = event.step {
            let line = format!("{} {}", self.titles.of(event.build.build), text::step(&event.step));
            // Progress that cannot be drawn is dropped: the build goes on all the same.
            let _ = self.bars.println(line);
            return;
        }
        let bar = self.bar(event.build.build, at);
        bar.doing = text::step(&event.step);
        if let Some(position) = position(&event.step) {
            bar.bar.set_position(position);
        }
        match &event.step {
            Step::Ended(_) => {
                bar.bar.set_style(style("  {prefix:.bold} {msg}"));
                bar.bar.finish_with_message(bar.text(at));
            }
            _ => bar.bar.set_message(bar.text(at)),
        }
    }

    fn tick(&mut self, now: Timestamp) {
        for bar in self.builds.values().filter(|bar| !bar.bar.is_finished()) {
            bar.bar.set_message(bar.text(now));
            bar.bar.tick();
        }
    }

    fn close(&mut self, dropped: u64) {
        for bar in self.builds.values().filter(|bar| !bar.bar.is_finished()) {
            bar.bar.abandon();
        }
        if dropped > 0 {
            let _ = self.bars.println(format!("{dropped} steps came too fast to be shown"));
        }
    }
}

impl Bar {
    fn text(&self, now: Timestamp) -> String {
        format!("{} · {}", text::seconds(now.since(self.began_at)), self.doing)
    }
}

/// How far along its bar a build is; a requeued one starts over.
fn position(step: &Step) -> Option<u64> {
    match step {
        Step::Admitted | Step::Requeued => Some(0),
        Step::Planned { .. } | Step::Accepted { .. } | Step::Running { .. } => Some(1),
        Step::Phase(RunPhase::Fetch) => Some(2),
        Step::Phase(RunPhase::Restore) => Some(3),
        Step::Phase(RunPhase::Run) => Some(4),
        Step::Phase(RunPhase::Collect) => Some(5),
        Step::Phase(RunPhase::Upload) => Some(6),
        Step::Phase(RunPhase::Save) => Some(7),
        Step::Ended(_) => Some(PARTS),
        Step::Phase(_) | Step::Log(_) | Step::Settled { .. } | Step::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;
    use netbuild_core::model::{AccountId, BuildKey, Ending, ProjectId};

    use super::*;

    /// A terminal that keeps what is written to it.
    #[derive(Clone, Debug, Default)]
    struct Recorder(Arc<Mutex<String>>);

    impl TermLike for Recorder {
        fn width(&self) -> u16 {
            100
        }

        fn move_cursor_up(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)?;
            self.write_str("\n")
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_build_moves_along_its_bar_and_its_log_stays_above() {
        let recorder = Recorder::default();
        let build = BuildKey {
            account: AccountId::new("a").unwrap(),
            project: ProjectId::new("p").unwrap(),
            build: BuildId::new(Timestamp::EPOCH, [0; 10]),
        };
        let target = ProgressDrawTarget::term_like(Box::new(recorder.clone()));
        let mut view = LiveView::new(target, Titles::new([(build.build, "first".to_owned())]));
        let steps = [
            Step::Admitted,
            Step::Phase(RunPhase::Run),
            Step::Log("60 of 300 pages".to_owned()),
            Step::Ended(Ending::Passed),
        ];
        for (millis, step) in (0..).step_by(1500).zip(steps) {
            view.show(&DisplayEvent { build: build.clone(), step }, Timestamp::from_millis(millis));
        }
        assert_eq!(view.builds[&build.build].bar.position(), PARTS);
        view.close(2);
        let drawn = recorder.0.lock().unwrap().clone();
        assert!(drawn.contains("first | 60 of 300 pages"), "{drawn}");
        assert!(drawn.contains("4.50 s · passed"), "{drawn}");
        assert!(drawn.contains("2 steps"), "{drawn}");
    }
}
