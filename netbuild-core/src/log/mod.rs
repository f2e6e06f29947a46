//! Logs, for every executor: offsets, gaps, bounds and masking.
//!
//! What a command prints goes through a [`LogWriter`], which masks secrets with a [`Masker`], cuts long lines and stops
//! at a bound, into the `log` file of the attempt's folder, no faster than a [`RateBound`] allows. An executor reads that file with [`read_log`]. [`FileLogStore`] keeps logs
//! after the attempt is gone. An offset always counts bytes of the masked log, [`Mark`]s included.

mod file_store;
mod line_bound;
mod mark;
mod masker;
mod rate_bound;
mod read;
mod secret_forms;
mod secret_trie;
mod stored_log;
mod writer;

pub use file_store::FileLogStore;
pub use mark::Mark;
pub use masker::{MASKED, Masker};
pub use rate_bound::RateBound;
pub use read::{MAX_READ_BYTES, read_log};
pub use secret_forms::MIN_SECRET_BYTES;
pub use writer::{LogBounds, LogWriter};
