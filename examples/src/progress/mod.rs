//! Live progress of builds for people: bars on a terminal, plain lines in a pipe.
//!
//! A [`ProgressObserver`] takes the scheduler's notices and never blocks it; [`Progress::run`] turns them, and the log
//! of every attempt that runs, into [`Step`]s for a [`View`]. All of it goes to standard error: standard output belongs
//! to results.

mod event;
mod feed;
mod live;
mod log_reader;
mod plain;
mod text;
mod view;

pub use event::{DisplayEvent, Step};
pub use feed::{Progress, ProgressObserver, channel};
pub use live::LiveView;
pub use log_reader::{LogLines, log_tail};
pub use plain::PlainView;
pub use view::{Titles, View, stderr_view};
