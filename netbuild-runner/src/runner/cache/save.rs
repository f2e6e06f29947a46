//! Saving the caches after the command.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use netbuild_core::model::Digest;

use super::caches::{Caches, Places, TRIES};
use super::entry::Bounds;
use super::header::Header;
use super::pack::{NotPacked, Packed, pack};
use super::time::{Cut, Time};
use super::words::Saved;
use crate::protocol::SaveCacheRequest;
use crate::runner::gateway_client::try_times;
use crate::runner::hashing::Hashing;
use crate::runner::stop::Halt;

const BUFFER: usize = 64 << 10;

impl Caches<'_> {
    /// Saves caches one after the other and says in the log what became of each. Nothing that the command started may run
    /// any more.
    ///
    /// # Errors
    /// A stop. Nothing else.
    pub(in crate::runner) async fn save(&self, headers: Vec<Header>) -> Result<(), Halt> {
        let time = Time::new(self.stop, self.job.rules.cache_time);
        for header in headers {
            let name = header.name.clone();
            let became = self.save_one(header, &time).await;
            self.sweep().await;
            let (became, stopped) = match became {
                Ok(became) => (became, None),
                Err(Cut::Late(length)) => {
                    (Saved::Not(format!("all caches together took longer than {} s", length.as_secs())), None)
                }
                Err(Cut::Stopped(reason)) => (Saved::Not("the build had to stop".to_owned()), Some(reason)),
            };
            self.say(&name, &became);
            if let Some(reason) = stopped {
                return Err(Halt::Stopped(reason));
            }
        }
        Ok(())
    }

    async fn save_one(&self, header: Header, time: &Time<'_>) -> Result<Saved, Cut> {
        let not = |why: &dyn ToString| Ok(Saved::Not(why.to_string()));
        let began = self.clock.monotonic();
        if let Err(error) = self.make_scratch() {
            return not(&error);
        }
        let (name, key) = (header.name.clone(), header.key);
        let (places, bounds, user, path) =
            (self.places.clone(), Bounds::from(&self.job.rules), self.job.user, self.archive());
        let pack = move |stop: &AtomicBool| pack_to(&path, &header, &places, bounds, user, stop);
        let (packed, archive, bytes) = match time.blocking(pack).await? {
            Ok(Ok(packed)) => packed,
            Ok(Err(error)) => return not(&error),
            Err(failure) => return not(&failure.evidence),
        };
        if bytes > bounds.bytes {
            return not(&format!("its archive of {bytes} bytes passes the limit of {}", bounds.bytes));
        }
        let path = self.archive();
        let entry = SaveCacheRequest { name, key, archive, bytes };
        let upload = async {
            try_times(TRIES, async || self.client.put_archive(archive, &path, bytes).await).await?;
            try_times(TRIES, async || self.client.save_cache(&entry).await).await
        };
        if let Err(error) = time.within(upload).await? {
            return not(&error);
        }
        let time = self.clock.monotonic().saturating_sub(began);
        Ok(Saved::Kept { contents: packed.contents, archive: bytes, time, left_out: packed.left_out })
    }
}

/// Packs into a new file; tells its digest and length.
fn pack_to(
    path: &Path,
    header: &Header,
    places: &Places,
    bounds: Bounds,
    owner: Option<u32>,
    interrupt: &AtomicBool,
) -> Result<(Packed, Digest, u64), NotPacked> {
    let file = File::create_new(path).map_err(NotPacked::Disk)?;
    let mut out = Hashing::new(BufWriter::with_capacity(BUFFER, file));
    let packed = pack(header, places, bounds, owner, &mut out, interrupt)?;
    out.flush().map_err(NotPacked::Disk)?;
    let (_, digest, bytes) = out.finish();
    Ok((packed, digest, bytes))
}
