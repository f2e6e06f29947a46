//! The bounds of caches.

use std::time::Duration;

use netbuild_core::model::CacheScope;

/// How much a project may keep. The trusted scope has a quota of its own, so that somebody else's pull requests cannot
/// push out what the project's own builds need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// The largest archive as it is transferred, in bytes; a smaller quota of the scope goes before it. Default 2 GiB: a
    /// large `node_modules` with a toolchain, compressed.
    pub archive_bytes: u64,
    /// What the trusted scope keeps. Default 32 entries, 8 GiB.
    pub trusted: CacheQuota,
    /// What one untrusted scope, of one pull request, keeps. Default 8 entries, 2 GiB.
    pub untrusted_scope: CacheQuota,
    /// What all untrusted scopes of a project keep together. Default 64 entries, 8 GiB.
    pub untrusted: CacheQuota,
    /// How long an entry stays that nobody uses. Default 14 days.
    pub unused: Duration,
    /// How long an archive stays that is no entry's: it was uploaded a moment ago, or its runner died. Longer than an
    /// upload may take ([`GatewayLimits::upload`](crate::gateway::GatewayLimits::upload)) and than the clocks of gateway
    /// and store may differ. Default 1 hour.
    pub unsaved: Duration,
}

/// A number of entries and of their archives' bytes. Archives that are uploaded but not yet entries may take as much again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheQuota {
    /// The most entries.
    pub entries: usize,
    /// The most bytes of their archives.
    pub bytes: u64,
}

impl Default for CacheLimits {
    fn default() -> Self {
        CacheLimits {
            archive_bytes: 2 << 30,
            trusted: CacheQuota { entries: 32, bytes: 8 << 30 },
            untrusted_scope: CacheQuota { entries: 8, bytes: 2 << 30 },
            untrusted: CacheQuota { entries: 64, bytes: 8 << 30 },
            unused: Duration::from_secs(14 * 24 * 60 * 60),
            unsaved: Duration::from_secs(60 * 60),
        }
    }
}

impl CacheLimits {
    /// The largest archive that a scope takes: one that is over the scope's quota would push out all others and then
    /// itself.
    pub(super) fn largest(&self, scope: &CacheScope) -> u64 {
        let quota = match scope {
            CacheScope::Trusted => self.trusted.bytes,
            CacheScope::Untrusted(_) => self.untrusted_scope.bytes.min(self.untrusted.bytes),
        };
        self.archive_bytes.min(quota)
    }
}
