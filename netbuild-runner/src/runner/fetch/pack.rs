//! Fetching one commit in Git's protocol, over any transport.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;

use gix::progress::Discard;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::refspec::parse::Operation;
use gix::remote::fetch::{RefMap, Shallow, Tags};
use gix::{ObjectId, Repository};
use netbuild_core::model::{Failure, Revision, Source};

use super::checkout::opened_again;
use super::error::{broken, not_found};
use super::names;

/// Fetches the revision, without its history where the server can leave it out, and finds the commit. `listed` is called
/// between the list of refs and the pack; `failed` says what an error of the talk means.
pub(super) fn receive<T: Transport>(
    workspace: Repository,
    source: &Source,
    transport: T,
    interrupt: &AtomicBool,
    listed: impl FnOnce(),
    failed: impl Fn(&gix::Error) -> Failure,
) -> Result<(Repository, ObjectId), Failure> {
    let url = source.repository.as_str();
    let candidates = names::candidates(&source.revision);
    let found = {
        let origin = workspace
            .remote_at_without_url_rewrite(url)
            .map_err(|error| broken("the repository's URL", &error))?
            .with_fetch_tags(Tags::None);
        let connection = origin
            .to_connection_with_transport(transport)
            // Without this, gix would run the `git credential` programs of this machine.
            .with_credentials(|_| Ok(None));
        let extra_refspecs = refspecs(&source.revision, &candidates)?;
        let options = gix::remote::ref_map::Options { extra_refspecs, ..Default::default() };
        let prepared = connection.prepare_fetch(Discard, options).map_err(|error| failed(&error))?;
        let found = choose(prepared.ref_map(), &source.revision, &candidates)?;
        listed();
        prepared
            .with_shallow(Shallow::DepthAtRemote(NonZeroU32::MIN))
            .receive(Discard, interrupt)
            .map_err(|error| failed(&error))?;
        found
    };
    // The pack came after the object store was opened, and the shallow boundary as well.
    let workspace = opened_again(&workspace)?;
    let commit = workspace
        .try_find_object(found)
        .ok()
        .flatten()
        .and_then(|object| object.peel_to_commit().ok())
        .map(|commit| commit.id)
        .ok_or_else(|| not_found(&source.revision))?;
    Ok((workspace, commit))
}

fn refspecs(revision: &Revision, candidates: &[String]) -> Result<Vec<gix::refspec::RefSpec>, Failure> {
    let texts = if candidates.is_empty() { vec![revision.as_str().to_owned()] } else { candidates.to_vec() };
    texts
        .iter()
        .map(|text| gix::refspec::parse(text.as_str().into(), Operation::Fetch).map(|spec| spec.to_owned()))
        .collect::<Result<_, _>>()
        .map_err(|_| not_found(revision))
}

fn choose(map: &RefMap, revision: &Revision, candidates: &[String]) -> Result<ObjectId, Failure> {
    if let Revision::Commit(id) = revision {
        return ObjectId::from_hex(id.as_bytes()).map_err(|_| not_found(revision));
    }
    let named = |name: &str| {
        map.remote_refs.iter().find_map(|it| {
            let (full, target, peeled) = it.unpack();
            if full == name { peeled.or(target) } else { None }
        })
    };
    candidates.iter().find_map(|name| named(name)).map(ToOwned::to_owned).ok_or_else(|| not_found(revision))
}
