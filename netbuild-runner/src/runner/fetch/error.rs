//! What the errors of a fetch mean: the only file that looks into errors of gix.

use std::error::Error;

use netbuild_core::model::{Cause, Failure, RepositoryUrl, Revision};

use super::pack_bounds::PackError;
use super::wire::WireError;

/// The repository was reached, and the revision is not there.
pub(super) fn not_found(revision: &Revision) -> Failure {
    let text = match revision {
        Revision::Commit(id) => format!("commit {id} is not in the repository, or no commit"),
        _ => format!("the repository has no branch or tag `{revision}` that leads to a commit"),
    };
    Failure::new(Cause::SourceNotFound, text)
}

/// The repository holds something that the runner does not take.
pub(super) fn refused(text: String) -> Failure {
    Failure::new(Cause::SourceRefused, text)
}

/// Something of the commit could not be read, or not be put into the workspace: what the repository holds is at fault, but
/// for an error of this machine's disk.
pub(super) fn unreadable(what: &str, error: &gix::Error) -> Failure {
    if has_disk_error(error) {
        return broken(what, error);
    }
    let why = if error.is_not_found() { "the repository lacks it" } else { "it cannot be read" };
    refused(format!("{what}: {why}: {}", chain(error)))
}

/// Something on this side failed.
pub(super) fn broken(what: &str, error: &gix::Error) -> Failure {
    let cause = if disk_full(error) { Cause::HostDisk } else { Cause::RunnerBroken };
    Failure::new(cause, format!("{what}: {}", chain(error)))
}

/// The talk with the repository's host failed.
pub(super) fn remote(repository: &RepositoryUrl, error: &gix::Error) -> Failure {
    let signs = Signs::of(error);
    Failure::new(remote_cause(&signs), format!("{repository}: {}\n{}", advice(&signs), chain(error)))
}

/// What an error of gix has in it that tells its cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signs {
    /// The HTTP status, when one came.
    status: Option<u16>,
    /// The server asked for credentials.
    credentials: bool,
    /// The server said in Git's own protocol that it does not give out the commit.
    refused_commit: bool,
    /// It cannot be done at all: another protocol, another hash.
    unsupported: bool,
    /// The server sends elsewhere.
    redirect: bool,
    /// The server answered past a bound.
    too_long: bool,
    /// An object, or all of them, take more than they may.
    too_large: bool,
    /// No root certificate vouches for the server.
    untrusted: bool,
    /// This machine has no room for it.
    disk_full: bool,
}

impl Signs {
    fn of(error: &gix::Error) -> Self {
        let wire = error.iter_errors().find_map(inner::<WireError>);
        Signs {
            status: match wire {
                Some(WireError::Status(status)) => Some(status.as_u16()),
                _ => None,
            },
            credentials: error.is_unauthenticated(),
            refused_commit: error.iter_errors().any(|it| it.to_string().contains("not our ref")),
            unsupported: error.is_unsupported(),
            redirect: matches!(wire, Some(WireError::Redirect { .. })),
            too_long: matches!(wire, Some(WireError::TooLong(_))),
            too_large: error.is_resource_exhausted()
                || matches!(wire, Some(WireError::Pack(PackError::TooMuch { .. }))),
            untrusted: error.iter_errors().find_map(inner::<rustls::Error>).is_some_and(is_untrusted),
            disk_full: disk_full(error),
        }
    }
}

/// Without any root certificate no client can be made; that is a general error to rustls.
fn is_untrusted(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::General(_))
}

/// The error of type `E` that is in `error`, at any depth.
fn inner<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // An I/O error's own `source` skips the error that it wraps.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn remote_cause(signs: &Signs) -> Cause {
    match signs {
        Signs { disk_full: true, .. } => Cause::HostDisk,
        Signs { status: Some(401 | 403), .. } | Signs { credentials: true, .. } => Cause::SourceDenied,
        Signs { status: Some(404 | 410), .. } | Signs { refused_commit: true, .. } => Cause::SourceNotFound,
        Signs { unsupported: true, .. }
        | Signs { redirect: true, .. }
        | Signs { too_long: true, .. }
        | Signs { too_large: true, .. }
        | Signs { untrusted: true, .. } => Cause::SourceRefused,
        _ => Cause::SourceUnavailable,
    }
}

/// What it means for the one who reads it.
fn advice(signs: &Signs) -> &'static str {
    match remote_cause(signs) {
        Cause::HostDisk => "the disk of the machine that builds is full",
        Cause::SourceDenied => {
            "the repository asks for credentials or refuses access, and the runner fetches without any"
        }
        Cause::SourceNotFound if signs.refused_commit => {
            "the server gives out no such commit: it is not there, or the server gives none out by id; build a ref instead"
        }
        Cause::SourceNotFound => "there is no repository at this URL, or it is private",
        Cause::SourceRefused if signs.redirect => {
            "the server redirects to another place, which is never followed: use the URL that the repository has now"
        }
        Cause::SourceRefused if signs.too_long => {
            "the repository is larger than this host allows (JobRules::source_bytes), or lists too many refs"
        }
        Cause::SourceRefused if signs.too_large => {
            "the repository holds more than this host allows (JobRules::source_files, source_bytes, source_object_bytes)"
        }
        Cause::SourceRefused if signs.untrusted => {
            "no root certificate vouches for the server: put the certificate of its authority into the image's \
             /etc/ssl/certs, or name its file in SSL_CERT_FILE"
        }
        Cause::SourceRefused => "the server does not speak Git's smart HTTP protocol as the runner does",
        _ => "the repository's host cannot be reached, has failed, or its answer is malformed",
    }
}

/// Whether the system has refused something, other than a name that it does not take.
fn has_disk_error(error: &gix::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidFilename, InvalidInput, Other, UnexpectedEof};
    error
        .iter_errors()
        .filter_map(inner::<std::io::Error>)
        .any(|io| !matches!(io.kind(), InvalidData | InvalidFilename | InvalidInput | Other | UnexpectedEof))
}

fn disk_full(error: &gix::Error) -> bool {
    error.iter_errors().any(|it| {
        it.downcast_ref::<std::io::Error>()
            .is_some_and(|io| matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded))
    })
}

/// The whole chain in one line, without repetitions.
fn chain(error: &gix::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    for it in error.iter_errors() {
        let text = it.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_have_one_cause_each() {
        let status = |status| Signs { status: Some(status), ..Signs::default() };
        let table = [
            (status(401), Cause::SourceDenied),
            (status(403), Cause::SourceDenied),
            (Signs { credentials: true, ..Signs::default() }, Cause::SourceDenied),
            (status(404), Cause::SourceNotFound),
            (status(410), Cause::SourceNotFound),
            (Signs { refused_commit: true, ..Signs::default() }, Cause::SourceNotFound),
            (Signs { unsupported: true, ..Signs::default() }, Cause::SourceRefused),
            (Signs { redirect: true, ..Signs::default() }, Cause::SourceRefused),
            (Signs { too_long: true, ..Signs::default() }, Cause::SourceRefused),
            (Signs { too_large: true, ..Signs::default() }, Cause::SourceRefused),
            (Signs { untrusted: true, ..Signs::default() }, Cause::SourceRefused),
            (Signs { disk_full: true, ..status(200) }, Cause::HostDisk),
            (status(500), Cause::SourceUnavailable),
            (status(429), Cause::SourceUnavailable),
            (Signs::default(), Cause::SourceUnavailable),
        ];
        for (signs, cause) in table {
            assert_eq!(remote_cause(&signs), cause, "{signs:?}");
        }
    }
    #[test]
    fn only_the_disk_is_this_sides_fault() {
        use std::io::ErrorKind;
        let of = |error: ErrorKind| unreadable("a", &gix::Error::from_error(std::io::Error::from(error))).cause;
        let table = [
            (ErrorKind::StorageFull, Cause::HostDisk),
            (ErrorKind::PermissionDenied, Cause::RunnerBroken),
            (ErrorKind::ReadOnlyFilesystem, Cause::RunnerBroken),
            (ErrorKind::NotFound, Cause::RunnerBroken),
            (ErrorKind::InvalidFilename, Cause::SourceRefused),
            (ErrorKind::InvalidData, Cause::SourceRefused),
            (ErrorKind::UnexpectedEof, Cause::SourceRefused),
        ];
        for (error, cause) in table {
            assert_eq!(of(error), cause, "{error:?}");
        }
        let damaged = gix::Error::from_error(gix::error::corruption("damaged"));
        assert_eq!(unreadable("a", &damaged).cause, Cause::SourceRefused);
    }
}
