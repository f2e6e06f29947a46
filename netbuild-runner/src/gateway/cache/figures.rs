//! The figures of caches, through the `metrics` facade: silent until the host installs a recorder. No label names a tenant.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `netbuild_cache_finds_total` | counter | `found`: exact, older, none |
//! | `netbuild_cache_restored_bytes_total`, `netbuild_cache_saved_bytes_total` | counter | |
//! | `netbuild_cache_removed_total` | counter | `why`: evicted, broken, cleared, unsaved |

use metrics::counter;

/// Why something was removed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// An entry over a quota, or unused for too long.
    Evicted,
    /// An entry whose archive is missing or damaged, or that cannot be read.
    Broken,
    /// An entry that the host cleared.
    Cleared,
    /// An archive that never became an entry's.
    Unsaved,
}

pub(super) fn found(found: &'static str) {
    counter!("netbuild_cache_finds_total", "found" => found).increment(1);
}

pub(super) fn restored(bytes: u64) {
    counter!("netbuild_cache_restored_bytes_total").increment(bytes);
}

pub(super) fn saved(bytes: u64) {
    counter!("netbuild_cache_saved_bytes_total").increment(bytes);
}

pub(super) fn removed(why: Why, count: usize) {
    let why = match why {
        Why::Evicted => "evicted",
        Why::Broken => "broken",
        Why::Cleared => "cleared",
        Why::Unsaved => "unsaved",
    };
    counter!("netbuild_cache_removed_total", "why" => why).increment(count as u64);
}
