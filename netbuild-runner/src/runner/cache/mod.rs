//! Caches: folders that are restored before the command and saved after it.
//!
//! An entry is one archive: tar in zstd, whose first file says whose it is and what for ([`Header`]). What a command left
//! in its folders is hostile to the runner that packs it, and an archive is hostile to the runner that unpacks it. So:
//! - An archive is a walk: every entry comes right behind its folder or a sibling with a smaller name. A reader that goes
//!   along with it opens one name at a time, in a folder that it has just made itself: there is no path to resolve, no
//!   link to follow, and no name that comes twice.
//! - Writing and reading admit entries by the same rules, so that nothing is kept that could not be restored.
//! - An archive is unpacked beside its place and takes it when it has been read to its end, and only where the source has
//!   nothing.
//! - Links are text, which nobody here follows. They may lead anywhere; where one leads into the workspace or the home by
//!   an absolute path, it is made anew for each attempt.
//! - No trouble with a cache fails a build, except a full disk before the command: the log says in one line what became
//!   of each cache.

mod archive;
mod caches;
mod entry;
mod error;
mod header;
mod inspect;
mod interrupt;
mod key;
mod link;
mod pack;
mod place;
mod restore;
#[cfg(test)]
mod samples;
mod save;
mod time;
mod trouble;
mod unpack;
mod words;

pub use entry::Bounds;
pub use error::{ArchiveError, Refused, Why};
pub use header::Header;
pub use inspect::{Contents, inspect};

pub(super) use caches::{Caches, Places};
