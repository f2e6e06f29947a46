//! Where definitions come from.

mod port;

pub use port::{Loaded, Source, SourceError};
