//! Whether an archive may be uploaded: a decision without I/O.

use netbuild_core::model::{CacheScope, Digest};

use super::scope::scope_digest;
use super::{CacheLimits, CacheQuota};

/// Whether a scope may upload an archive of `bytes` bytes, beside the archives that the project has: the digest of each
/// one's scope, and its length.
///
/// Entries are within their quotas after each save, so twice the quota is what entries take and as much again for archives
/// that are not yet entries. Without this bound, a runner that uploads and never saves could fill the store.
pub(super) fn has_room(archives: &[(Digest, u64)], scope: &CacheScope, bytes: u64, limits: &CacheLimits) -> bool {
    let fits = |quota: CacheQuota, counts: &dyn Fn(Digest) -> bool| {
        let counted = || archives.iter().filter(|(scope, _)| counts(*scope));
        let sum = counted().fold(bytes, |sum, (_, bytes)| sum.saturating_add(*bytes));
        counted().count() < quota.entries.saturating_mul(2) && sum <= quota.bytes.saturating_mul(2)
    };
    let (own, trusted) = (scope_digest(scope), scope_digest(&CacheScope::Trusted));
    match scope {
        CacheScope::Trusted => fits(limits.trusted, &|scope| scope == own),
        CacheScope::Untrusted(_) => {
            fits(limits.untrusted_scope, &|scope| scope == own) && fits(limits.untrusted, &|scope| scope != trusted)
        }
    }
}
