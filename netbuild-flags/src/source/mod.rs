//! Where definitions come from, and how they are put in force.
//!
//! A [`Watcher`] takes the definitions of a [`Source`] and puts them in force for as long as a process runs. A
//! [`FileSource`] reads a file; the stores of [`store`](crate::store) are sources too. Definitions in code need none:
//! [`Flags::publish`](crate::Flags::publish).

mod file;
mod format;
mod port;
mod watcher;

pub use file::{FileError, FileReason, FileSource, MAX_FILE_BYTES};
pub use format::{Format, FormatError};
pub use port::{Loaded, Source, SourceError};
pub use watcher::Watcher;
