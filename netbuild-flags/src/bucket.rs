//! Where an id stands in a percentage: the hash that never changes.

use netbuild_core::model::{AccountId, ProjectId};
use twox_hash::XxHash3_64;

use crate::{FlagKey, Percentage};

/// The hash of a text: XXH3, 64 bits, seed 0.
#[inline]
pub(crate) fn hash(text: &str) -> u64 {
    XxHash3_64::oneshot(text.as_bytes())
}

/// The hash of an account, which does not depend on any flag.
#[inline]
pub(crate) fn account_hash(account: &AccountId) -> u64 {
    hash(account.as_str())
}

/// The hash of a project. The account's hash is its seed, so equal names of two accounts are two projects.
#[inline]
pub(crate) fn project_hash(account: u64, project: &ProjectId) -> u64 {
    XxHash3_64::oneshot_with_seed(account, project.as_str().as_bytes())
}

/// What a percentage is of. The numbers are part of the published hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ShareOf {
    /// Accounts: all projects of an account are in or out together.
    Accounts = 1,
    /// Projects, each by itself.
    Projects = 2,
}

/// Which of the 10,000 parts of all accounts an account falls in, for a flag: 0 to 9,999.
///
/// An account is within a percentage of accounts when its bucket is below the percentage's hundredths of a percent. So a
/// percentage that is raised never moves anybody out, and equal flags and ids are decided equally by every machine and
/// every version. In words, for other languages, with all numbers unsigned 64-bit:
///
/// 1. `id = xxh3_64(account)`, over its UTF-8 bytes, seed 0; for a project `id = xxh3_64(project, seed = xxh3_64(account))`.
/// 2. `flag = xxh3_64(flag key, seed = 1)` for accounts, with seed 2 for projects: the two are independent.
/// 3. `x = id XOR flag`, then the finalizer of MurmurHash3: `x ^= x >> 33; x *= 0xff51afd7ed558ccd; x ^= x >> 33;
///    x *= 0xc4ceb9fe1a85ec53; x ^= x >> 33`.
/// 4. `bucket = (x * 10000) >> 64`, multiplied in 128 bits.
///
/// `tests/vectors.json` has values to check another implementation against.
pub fn account_bucket(flag: &FlagKey, account: &AccountId) -> u16 {
    bucket(flag_seed(flag, ShareOf::Accounts), account_hash(account))
}

/// Which of the 10,000 parts of all projects a project falls in, for a flag: as [`account_bucket`].
pub fn project_bucket(flag: &FlagKey, account: &AccountId, project: &ProjectId) -> u16 {
    bucket(flag_seed(flag, ShareOf::Projects), project_hash(account_hash(account), project))
}

/// The part of the hash that is the flag's.
pub(crate) fn flag_seed(flag: &FlagKey, of: ShareOf) -> u64 {
    XxHash3_64::oneshot_with_seed(of as u64, flag.as_str().as_bytes())
}

/// Step 3 and 4.
#[inline]
pub(crate) fn bucket(flag: u64, id: u64) -> u16 {
    let wide = u128::from(mix(flag ^ id)) * u128::from(Percentage::STEPS);
    u16::try_from(wide >> 64).expect("a 64-bit fraction of 10,000 is below 10,000")
}

/// The finalizer of MurmurHash3 for 64 bits: every bit of the input changes every bit of the output with probability
/// one half.
pub(crate) const fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}
