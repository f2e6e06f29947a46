//! The start of an attempt: the name decides, then the fence.

use std::io::ErrorKind;
use std::sync::PoisonError;

use netbuild_core::model::{AttemptMark, Cause, Job};
use netbuild_core::port::{StartError, StartRequest, Started};

use super::attempts::Attempts;
use super::error::{FolderBusy, ForeignFolder, UsersBusy, from_disk, from_spawn, unavailable};
use super::facts::read_mark;
use super::folders::{Lock, LockedFolder};
use super::spawn::spawn;
use super::users::{Reservation, reserve};
use crate::fence::{StartDecision, decide_start};

/// What became of one try.
#[derive(Debug)]
pub(super) enum Try<T, E> {
    Done(T),
    /// Try again soon; this is the answer if there is no more time.
    Again(E),
}

impl Attempts {
    /// Tries to start an attempt.
    pub(super) fn try_start(&self, request: &StartRequest) -> Result<Try<Started, StartError>, StartError> {
        match self.folders.lock(request.name.as_str()).map_err(from_disk)? {
            Lock::Busy => Ok(Try::Again(unavailable(FolderBusy))),
            Lock::Absent => self.create(request),
            Lock::Locked(folder) => self.meet(request, folder),
        }
    }

    fn create(&self, request: &StartRequest) -> Result<Try<Started, StartError>, StartError> {
        let mark = AttemptMark { attempt: request.job.attempt.clone(), created_at: self.clock.now(), start_by: None };
        let admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        if self.count_open().map_err(from_disk)? >= self.options.slots as usize {
            return Err(StartError::Full);
        }
        let reserved = match &self.options.users {
            None => None,
            Some(users) => match reserve(self.folders.root(), users).map_err(from_disk)? {
                Reservation::Reserved(reserved) => Some(reserved),
                Reservation::Busy => return Ok(Try::Again(unavailable(UsersBusy))),
                Reservation::NoneLeft => return Err(StartError::Full),
            },
        };
        let user = reserved.as_ref().map(|reserved| reserved.user);
        let created = self.folders.create(request.name.as_str(), &mark, &self.boot_id, user);
        if let (false, Some(reserved)) = (matches!(created, Ok(Some(_))), reserved) {
            reserved.give_back().map_err(from_disk)?;
        }
        drop(admission);
        match created {
            Ok(Some(folder)) => self.spawn_in(folder, request, &mark).map(Try::Done),
            Ok(None) => Ok(Try::Again(unavailable(FolderBusy))),
            // Another executor was opened just now, and took the folder for one that was left behind.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::WouldBlock) => {
                Ok(Try::Again(unavailable(error)))
            }
            Err(error) => Err(from_disk(error)),
        }
    }

    /// The name is taken: by this attempt, an earlier or a later one.
    fn meet(&self, request: &StartRequest, folder: LockedFolder) -> Result<Try<Started, StartError>, StartError> {
        let Some(mark) = read_mark(&folder.path).map_err(unavailable)? else {
            return self.meet_foreign(request, folder);
        };
        let held = mark.attempt.number;
        if mark.attempt.build != request.job.attempt.build {
            let evidence = format!("the name is held by another build, {}", mark.attempt.build);
            return Err(StartError::refused(Cause::Internal, evidence));
        }
        let found = self.look(&folder.path, &mark).map_err(unavailable)?;
        let verdict = self.settle(&folder, &mark, &found).map_err(unavailable)?;
        match decide_start(held, &verdict, request.job.attempt.number) {
            StartDecision::Stale => Err(StartError::Stale { by: held }),
            StartDecision::Wait => Ok(Try::Again(StartError::NameTaken { by: held })),
            StartDecision::NameTaken => Err(StartError::NameTaken { by: held }),
            StartDecision::Adopt => Ok(Try::Done(Started::Adopted {
                observed: self.observed(&mark.attempt, verdict.phase(found.facts.made_at)),
            })),
            // A folder that was made before commands had users of their own is no place for one that shall have.
            StartDecision::Spawn if self.options.users.is_none() || found.traces.user.is_some() => {
                self.spawn_in(folder, request, &mark).map(Try::Done)
            }
            StartDecision::Spawn | StartDecision::Replace => {
                self.discard(folder).map_err(unavailable)?;
                self.create(request)
            }
        }
    }

    /// There is a folder without a mark. An empty one is nobody's and is taken over.
    fn meet_foreign(
        &self,
        request: &StartRequest,
        folder: LockedFolder,
    ) -> Result<Try<Started, StartError>, StartError> {
        match self.create(request)? {
            Try::Done(started) => Ok(Try::Done(started)),
            Try::Again(_) => Err(unavailable(ForeignFolder { path: folder.path })),
        }
    }

    /// Starts the runner. If that fails, the folder goes as well: it never ran anything.
    fn spawn_in(
        &self,
        folder: LockedFolder,
        request: &StartRequest,
        mark: &AttemptMark,
    ) -> Result<Started, StartError> {
        let cookie = self.folders.cookie(&folder.path, mark);
        let search_path = self.search_path.as_deref();
        let user = self.user_of(&folder.path).map_err(unavailable)?;
        let job = Job { user, ..request.job.clone() };
        match spawn(&self.options.runner, &folder.path, &cookie, search_path, &job) {
            Ok(child) => {
                self.children.add(&mark.attempt, &folder.path, &cookie, child);
                Ok(Started::Created { host: self.options.host.clone() })
            }
            Err(error) => {
                self.discard(folder).map_err(|error| StartError::Unknown(error.into()))?;
                Err(from_spawn(error))
            }
        }
    }
}
