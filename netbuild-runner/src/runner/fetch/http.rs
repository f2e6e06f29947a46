//! Fetching one commit over Git's smart HTTP protocol.

use std::sync::atomic::AtomicBool;

use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::http::Transport;
use gix::{ObjectId, Repository};
use netbuild_core::model::{Failure, JobRules, Source};

use super::error::{broken, remote};
use super::pack;
use super::wire::Wire;

/// Fetches the revision and finds the commit.
pub(super) fn fetch(
    workspace: Repository,
    source: &Source,
    rules: &JobRules,
    interrupt: &AtomicBool,
) -> Result<(Repository, ObjectId), Failure> {
    let failed = |error: &gix::Error| remote(&source.repository, error);
    let wire = Wire::new(rules, interrupt).map_err(|error| failed(&gix::Error::from_error(error)))?;
    let address =
        gix::url::parse(source.repository.as_str()).map_err(|error| broken("the repository's URL", &error))?;
    let transport = Transport::new_http(wire, address, Protocol::V2, false);
    pack::receive(workspace, source, transport, interrupt, || (), failed)
}
