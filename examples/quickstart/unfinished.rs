//! What makes the same command go on where a killed one stopped: a note for each run that is not over.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use netbuild_core::model::{Build, BuildId, Digest};
use netbuild_core::port::EventKey;

/// A run of a command that is not over. Its events have keys of their own, so that a run after it is another one, and the
/// same run again is the same.
#[derive(Debug)]
pub(crate) struct Unfinished {
    note: PathBuf,
    run: String,
}

impl Unfinished {
    /// The unfinished run of a command in a state folder, or a new one. `command` says what is asked for.
    ///
    /// # Errors
    /// When the note cannot be read or written.
    pub(crate) fn resume(state: &Path, command: &str) -> io::Result<Self> {
        let folder = state.join("unfinished");
        fs::create_dir_all(&folder)?;
        let note = folder.join(Digest::of(command).to_string());
        let run = match fs::read_to_string(&note) {
            Ok(run) => run,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let run = BuildId::generate().to_string();
                // Whole or not at all: a process can be killed between any two calls.
                let beside = folder.join(format!("{run}.new"));
                fs::write(&beside, &run)?;
                fs::File::open(&beside)?.sync_all()?;
                // Another process may begin the same run at this moment: one note is made, and both read it.
                let linked = fs::hard_link(&beside, &note);
                fs::remove_file(&beside)?;
                match linked {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => fs::read_to_string(&note)?,
                }
            }
            Err(error) => return Err(error),
        };
        Ok(Unfinished { note, run })
    }

    /// The key of the event that asks for the nth build of the run.
    pub(crate) fn key(&self, nth: usize) -> EventKey {
        EventKey(format!("quickstart/{}/{nth}", self.run))
    }

    /// The run is over: the same command will be a new one.
    ///
    /// # Errors
    /// When the note cannot be removed.
    pub(crate) fn over(self) -> io::Result<()> {
        match fs::remove_file(self.note) {
            // Another process was at the same run, and saw its end first.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// What a command asks for, in words that do not change from one run to the next: everything of its builds but their ids
/// and times.
pub(crate) fn words(builds: &[Build]) -> String {
    let asked = |build: &Build| {
        let Build { account, project, source, context, spec, priority, trust, .. } = build;
        serde_json::json!([account, project, source, context, spec, priority, trust])
    };
    serde_json::Value::from(builds.iter().map(asked).collect::<Vec<_>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_until_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let first = Unfinished::resume(folder.path(), "make").unwrap().key(0);
        let again = Unfinished::resume(folder.path(), "make").unwrap();
        assert_eq!(again.key(0), first);
        assert_ne!(again.key(1), first);
        assert_ne!(Unfinished::resume(folder.path(), "make test").unwrap().key(0), first);
        again.over().unwrap();
        assert_ne!(Unfinished::resume(folder.path(), "make").unwrap().key(0), first);
    }
}
