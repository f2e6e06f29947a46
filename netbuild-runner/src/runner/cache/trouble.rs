//! What trouble with a cache means for the build.

use std::io;

use netbuild_core::model::{Cause, Failure};

use super::error::ArchiveError;
use super::time::Cut;
use crate::runner::gateway_client::GatewayError;

/// Why a cache is not restored.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The work on it was cut off.
    Cut(Cut),
    /// The disk is full: the command would fail for it as well, and the fault would seem the customer's.
    Full(Failure),
    /// The entry can never be restored.
    Broken(String),
    /// Something that says nothing about the entry.
    Otherwise(String),
}

impl From<Cut> for Trouble {
    fn from(cut: Cut) -> Self {
        Trouble::Cut(cut)
    }
}

/// A part of the runner failed.
impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble::Otherwise(failure.evidence)
    }
}

/// Something could not be read or written on this machine.
impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Trouble::Full(Failure::new(Cause::HostDisk, format!("a cache could not be restored: {error}")))
            }
            _ => Trouble::Otherwise(error.to_string()),
        }
    }
}

/// An archive that the gateway has named could not be got from it.
impl From<GatewayError> for Trouble {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::File(error) => error.into(),
            GatewayError::Refused { .. } => Trouble::Broken(error.to_string()),
            GatewayError::Unanswered(_) | GatewayError::Busy(_) | GatewayError::Full { .. } => {
                Trouble::Otherwise(error.to_string())
            }
        }
    }
}

impl From<ArchiveError> for Trouble {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Disk(error) => error.into(),
            ArchiveError::Unfit | ArchiveError::Interrupted => Trouble::Otherwise(error.to_string()),
            ArchiveError::Damaged(_) | ArchiveError::NoHeader | ArchiveError::Foreign | ArchiveError::Refused(_) => {
                Trouble::Broken(error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;
    use crate::runner::cache::{Refused, Why};

    #[test]
    fn only_what_the_entry_is_itself_makes_it_broken() {
        let io = |kind| io::Error::from(kind);
        let broken: [Trouble; 5] = [
            ArchiveError::Damaged(io(io::ErrorKind::UnexpectedEof)).into(),
            ArchiveError::NoHeader.into(),
            ArchiveError::Foreign.into(),
            ArchiveError::Refused(Refused { path: "a".to_owned(), why: Why::Order }).into(),
            GatewayError::Refused { status: StatusCode::NOT_FOUND, text: String::new() }.into(),
        ];
        assert!(broken.iter().all(|trouble| matches!(trouble, Trouble::Broken(_))), "{broken:?}");
        let otherwise: [Trouble; 5] = [
            ArchiveError::Unfit.into(),
            ArchiveError::Interrupted.into(),
            ArchiveError::Disk(io(io::ErrorKind::PermissionDenied)).into(),
            GatewayError::Busy(StatusCode::SERVICE_UNAVAILABLE).into(),
            Failure::new(Cause::RunnerBroken, "planted").into(),
        ];
        assert!(otherwise.iter().all(|trouble| matches!(trouble, Trouble::Otherwise(_))), "{otherwise:?}");
        for error in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let full: [Trouble; 2] = [ArchiveError::Disk(io(error)).into(), GatewayError::File(io(error)).into()];
            let host =
                |trouble: &Trouble| matches!(trouble, Trouble::Full(failure) if failure.cause == Cause::HostDisk);
            assert!(full.iter().all(host), "{full:?}");
        }
    }
}
