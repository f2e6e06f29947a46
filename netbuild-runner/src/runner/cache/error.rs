//! Why an archive is not used.

use std::io;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It is damaged or cut off, or no archive at all.
    #[error("it is damaged: {0}")]
    Damaged(#[source] io::Error),
    /// It does not begin with a header that can be read.
    #[error("it does not say what it is")]
    NoHeader,
    /// It is of another customer, project, cache or key.
    #[error("it is another cache's")]
    Foreign,
    /// It is the project's, but for other folders, another image or another architecture.
    #[error("it is for other folders, another image or another architecture")]
    Unfit,
    /// It holds something that no runner would have packed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// This machine cannot write what it holds.
    #[error("the disk of the machine that builds: {0}")]
    Disk(#[source] io::Error),
    /// The runner has to stop, or the time for caches is over.
    #[error("it was not read to its end")]
    Interrupted,
}

/// An entry that is not admitted into an archive or out of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Refused {
    /// The entry's path, with what cannot be shown escaped.
    pub path: String,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// A part of its path is empty, `.`, `..`, too long or holds a NUL byte, or there are too many of them.
    #[error("no path of a cache")]
    Path,
    /// It does not come right behind its folder or a smaller sibling: a second entry of its name, one below a file or a
    /// link, or one whose folder is missing.
    #[error("not in its folder's place")]
    Order,
    /// It is neither a plain file nor a folder nor a link, or it has a mode of its own, for example setuid.
    #[error("neither a plain file nor a folder nor a link")]
    Kind,
    /// A link with a text that no runner writes: empty, with a NUL byte, too long, or one that begins with two slashes and
    /// names neither the workspace nor the home.
    #[error("no link of a cache")]
    Link,
    /// A second name of something that is not a file before it.
    #[error("a second name of no file before it")]
    HardLink,
    /// Here the archive has more entries than are allowed.
    #[error("here the cache passes its limit of {0} files")]
    Files(u64),
    /// Here it has more bytes than are allowed.
    #[error("here the cache passes its limit of {0} bytes")]
    Bytes(u64),
}
