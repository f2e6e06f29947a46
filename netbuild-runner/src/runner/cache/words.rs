//! What the log says of a cache: one line each.

use std::fmt;
use std::time::Duration;

use netbuild_core::model::CachePath;

use super::inspect::Contents;
use super::pack::LeftOut;

/// What became of a cache before the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Restored {
    /// Its folders are in their places, but for those that the source has itself.
    Placed {
        /// Whether the entry is an older one, of other lock files.
        older: bool,
        contents: Contents,
        time: Duration,
        skipped: Vec<CachePath>,
    },
    /// No entry fits.
    Nothing,
    /// The entry cannot be trusted.
    Broken(String),
    /// Something else was in the way.
    Not(String),
}

/// What became of a cache after the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Saved {
    /// It is kept under its key.
    Kept { contents: Contents, archive: u64, time: Duration, left_out: LeftOut },
    /// It is not.
    Not(String),
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Restored::Placed { older, contents: Contents { files, bytes }, time, skipped } => {
                let which = if *older { " from an older entry" } else { "" };
                write!(f, "restored{which}: {files} files, {bytes} bytes in {:.1} s", time.as_secs_f64())?;
                list(f, "the source has its own", skipped)
            }
            Restored::Nothing => f.write_str("nothing is kept yet"),
            Restored::Broken(why) => write!(f, "broken and not used, to be made anew: {why}"),
            Restored::Not(why) => write!(f, "not restored: {why}"),
        }
    }
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Saved::Kept { contents: Contents { files, bytes }, archive, time, left_out } => {
                let time = time.as_secs_f64();
                write!(f, "saved: {files} files, {bytes} bytes, {archive} in the archive, in {time:.1} s")?;
                let what = format!("without {} of a kind that is not kept", left_out.count);
                list(f, &what, &left_out.named)
            }
            Saved::Not(why) => write!(f, "not saved: {why}"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, what: &str, items: &[impl fmt::Display]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        let before = if index == 0 { format!("; {what}: ") } else { ", ".to_owned() };
        write!(f, "{before}{item}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_happened() {
        let contents = Contents { files: 3, bytes: 1024 };
        let time = Duration::from_millis(1234);
        let placed = |older, skipped: &[&str]| {
            let skipped = skipped.iter().map(|path| CachePath::parse(path).unwrap()).collect();
            Restored::Placed { older, contents, time, skipped }.to_string()
        };
        assert_eq!(placed(false, &[]), "restored: 3 files, 1024 bytes in 1.2 s");
        assert_eq!(
            placed(true, &["a", "~/b"]),
            "restored from an older entry: 3 files, 1024 bytes in 1.2 s; the source has its own: a, ~/b"
        );
        let left_out = LeftOut { count: 7, named: vec!["a/pipe".to_owned(), "a/socket".to_owned()] };
        let kept = Saved::Kept { contents, archive: 9, time, left_out }.to_string();
        assert_eq!(
            kept,
            "saved: 3 files, 1024 bytes, 9 in the archive, in 1.2 s; without 7 of a kind that is not kept: a/pipe, a/socket"
        );
    }
}
