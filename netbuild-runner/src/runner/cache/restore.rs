//! Restoring the caches before the command.

use std::fs::{self, File};
use std::io;
use std::sync::atomic::AtomicBool;

use netbuild_core::model::{CacheKey, CachePath, CacheSpec};

use super::caches::{Caches, TRIES};
use super::entry::{Bounds, root_name};
use super::error::ArchiveError;
use super::header::{Fit, Header};
use super::inspect::Contents;
use super::time::{Cut, Time};
use super::trouble::Trouble;
use super::unpack::unpack;
use super::words::Restored;
use super::{key, place};
use crate::protocol::{BrokenCacheRequest, FindCacheRequest, FoundCache};
use crate::runner::gateway_client::try_times;
use crate::runner::stop::Halt;

impl Caches<'_> {
    /// Restores the job's caches one after the other and says in the log what became of each. Tells which are to be saved
    /// after the command.
    ///
    /// # Errors
    /// A stop, and [`Cause::HostDisk`](netbuild_core::model::Cause::HostDisk) when the disk is full. Nothing else.
    pub(in crate::runner) async fn restore(&self) -> Result<Vec<Header>, Halt> {
        let time = Time::new(self.stop, self.job.rules.cache_time);
        let mut to_save = Vec::new();
        for spec in &self.job.caches {
            let mut save = None;
            let became = self.restore_one(spec, &time, &mut save).await;
            self.sweep().await;
            let became = match became {
                Ok(became) => became,
                Err(Trouble::Cut(Cut::Stopped(reason))) => return Err(Halt::Stopped(reason)),
                Err(Trouble::Full(failure)) => return Err(Halt::Failed(failure)),
                Err(Trouble::Cut(Cut::Late(length))) => {
                    Restored::Not(format!("all caches together took longer than {} s", length.as_secs()))
                }
                Err(Trouble::Broken(why)) => Restored::Broken(why),
                Err(Trouble::Otherwise(why)) => Restored::Not(why),
            };
            self.say(&spec.name, &became);
            to_save.extend(save);
        }
        Ok(to_save)
    }

    /// Restores one cache, and puts its header into `save` as soon as it is known that it is to be saved.
    async fn restore_one(
        &self,
        spec: &CacheSpec,
        time: &Time<'_>,
        save: &mut Option<Header>,
    ) -> Result<Restored, Trouble> {
        let began = self.clock.monotonic();
        let header = self.header(spec, time).await?;
        let question = FindCacheRequest { name: spec.name.clone(), key: header.key };
        let answer = time.within(try_times(TRIES, async || self.client.find_cache(&question).await)).await?;
        let answer = answer.map_err(|error| Trouble::Otherwise(error.to_string()))?;
        if answer.save {
            *save = Some(header.clone());
        }
        let found = match (answer.found, answer.damage) {
            (None, None) => return Ok(Restored::Nothing),
            (None, Some(damage)) => return Ok(Restored::Broken(damage.to_string())),
            (Some(found), None) => found,
            (Some(found), Some(damage)) => {
                self.say(&spec.name, &Restored::Broken(damage.to_string()));
                found
            }
        };
        let contents = match self.unpack(&header, &found, time).await {
            Err(Trouble::Broken(why)) => {
                *save = Some(header);
                let entry = BrokenCacheRequest { name: spec.name.clone(), key: found.key, archive: found.archive };
                // If the gateway is not told now, the next build tells it.
                let _told = time.within(try_times(TRIES, async || self.client.broken_cache(&entry).await)).await?;
                return Err(Trouble::Broken(why));
            }
            unpacked => unpacked?,
        };
        let skipped = self.put(&header.folders)?;
        let time = self.clock.monotonic().saturating_sub(began);
        Ok(Restored::Placed { older: found.key != header.key, contents, time, skipped })
    }

    /// The header of the cache as the fetched source wants it.
    async fn header(&self, spec: &CacheSpec, time: &Time<'_>) -> Result<Header, Trouble> {
        let (work, files) = (self.places.work.clone(), spec.lock_files.clone());
        let digests = time.blocking(move |interrupt| key::digests(&work, &files, interrupt)).await???;
        Ok(Header::new(spec, &self.job.attempt, self.job.image.as_deref(), &digests))
    }

    /// Downloads an entry and unpacks it into the scratch folder.
    async fn unpack(&self, header: &Header, found: &FoundCache, time: &Time<'_>) -> Result<Contents, Trouble> {
        let bounds = Bounds::from(&self.job.rules);
        if found.bytes > bounds.bytes {
            let text = format!("its archive of {} bytes passes the limit of {}", found.bytes, bounds.bytes);
            return Err(Trouble::Broken(text));
        }
        let (archive, into) = (self.archive(), self.unpacked());
        self.make_scratch()?;
        fs::create_dir(&into)?;
        let get = async || self.client.get_archive(found.archive, found.bytes, &archive).await;
        if time.within(try_times(TRIES, get)).await?? != found.archive {
            return Err(Trouble::Broken("its bytes are not those that were saved".to_owned()));
        }
        let (header, key, places) = (header.clone(), found.key, self.places.clone());
        let unpack = move |interrupt: &AtomicBool| {
            let archive = File::open(&archive).map_err(ArchiveError::Disk)?;
            unpack(archive, bounds, |other| accept(&header, other, key), &places, &into, interrupt)
        };
        Ok(time.blocking(unpack).await???)
    }

    /// Moves the unpacked folders to their places, without a pause in which anything could end it half done. Tells which
    /// of them the source has itself.
    fn put(&self, folders: &[CachePath]) -> io::Result<Vec<CachePath>> {
        let unpacked = place::open(&self.unpacked())?;
        let mut skipped = Vec::new();
        for (index, path) in folders.iter().enumerate() {
            let name = root_name(index);
            match place::open_in(&unpacked, name.as_bytes()) {
                Ok(_) => {}
                Err(error) if place::is_none(&error) => continue,
                Err(error) => return Err(error),
            }
            let place = place::open(self.places.of(path.place()))?;
            if !place::put(&unpacked, name.as_bytes(), place, path)? {
                skipped.push(path.clone());
            }
        }
        Ok(skipped)
    }
}

fn accept(wanted: &Header, found: &Header, key: CacheKey) -> Result<(), ArchiveError> {
    match wanted.fit(found, key) {
        Fit::Fits => Ok(()),
        Fit::OfNoUse => Err(ArchiveError::Unfit),
        Fit::Foreign => Err(ArchiveError::Foreign),
    }
}
