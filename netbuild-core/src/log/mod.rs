//! Logs, for every executor: offsets, gaps, bounds, masking, and how they are shown.
//!
//! What a command prints goes through a [`LogWriter`], which masks secrets with a [`Masker`], cuts long lines and stops
//! at a bound, into the `log` file of the attempt's folder, no faster than a [`RateBound`] allows. An executor reads that
//! file with [`read_log`]. [`FileLogStore`] keeps logs after the attempt is gone. An offset always counts bytes of the
//! masked log, [`Mark`]s included.
//!
//! The bytes stay the command's: whoever shows a log puts a [`TerminalText`] or a [`PageText`] before the terminal or the
//! page.

mod display;
mod file_store;
mod line_bound;
mod mark;
mod masker;
mod page;
mod rate_bound;
mod read;
mod secret_encodings;
mod secret_forms;
mod secret_trie;
mod stored_log;
mod style;
mod terminal;
mod writer;

pub use file_store::FileLogStore;
pub use mark::Mark;
pub use masker::{MASKED, Masker};
pub use page::PageText;
pub use rate_bound::RateBound;
pub use read::{MAX_READ_BYTES, read_log};
pub use secret_forms::MIN_SECRET_BYTES;
pub use terminal::{TerminalText, one_line};
pub use writer::{LogBounds, LogWriter};
