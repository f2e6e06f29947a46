//! Identities of builds and attempts, and their places in the order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AccountId, ProjectId, PublisherId, Timestamp};

/// The id of a build: a UUID of version 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuildId(Uuid);

impl BuildId {
    /// An id made of a time and ten random bytes; both are the caller's, so that a simulation repeats exactly.
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        BuildId(uuid::Builder::from_unix_timestamp_millis(now.as_millis(), &random).into_uuid())
    }

    /// A fresh id from this machine's clock and random source.
    pub fn generate() -> Self {
        BuildId(Uuid::now_v7())
    }

    /// The UUID.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BuildId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(BuildId)
    }
}

impl From<Uuid> for BuildId {
    fn from(uuid: Uuid) -> Self {
        BuildId(uuid)
    }
}

/// The full key of a build: its tenant is part of it, so that no look-up can cross tenants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BuildKey {
    /// The account that owns the build.
    pub account: AccountId,
    /// Its project.
    pub project: ProjectId,
    /// The build.
    pub build: BuildId,
}

impl BuildKey {
    /// The attempt of this build with a number.
    pub fn attempt(&self, number: AttemptNumber) -> AttemptId {
        AttemptId { build: self.clone(), number }
    }
}

impl fmt::Display for BuildKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.account, self.project, self.build)
    }
}

/// The number of an attempt within its build, from 1: the fencing token. It only grows, and every write about an
/// attempt is checked against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptNumber(u32);

impl AttemptNumber {
    /// The first attempt of a build.
    pub const FIRST: AttemptNumber = AttemptNumber(1);

    /// The attempt number `number`; 0, which no attempt has, becomes 1.
    pub const fn new(number: u32) -> Self {
        AttemptNumber(if number == 0 { 1 } else { number })
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number of the attempt after this one.
    pub const fn next(self) -> Self {
        AttemptNumber(self.0.saturating_add(1))
    }
}

impl fmt::Display for AttemptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One run of a build on one executor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The build.
    pub build: BuildKey,
    /// The attempt's number: its fence.
    pub number: AttemptNumber,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.build, self.number)
    }
}

/// The place of a recorded event in its publisher's order, given when the outbox records it.
///
/// Places are comparable within one publisher and epoch. `seq` starts at 1 and has no gaps there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The process that recorded it.
    pub publisher: PublisherId,
    /// Grows when a publisher starts over with a new outbox.
    pub epoch: u64,
    /// The position within the epoch, from 1.
    pub seq: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.publisher, self.epoch, self.seq)
    }
}

/// A build's place in the ledger's order, given when it is admitted. Comparable across publishers; smaller is older.
/// First in, first out, and "an older build never replaces a newer deploy", are judged by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rank(pub u64);

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The epoch of a leader: it grows whenever the leader lease passes on, and every write to the ledger carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaderEpoch(pub u64);

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_ids_sort_by_time_and_repeat() {
        let early = BuildId::new(Timestamp::from_millis(1), [9; 10]);
        let late = BuildId::new(Timestamp::from_millis(2), [0; 10]);
        assert!(early < late);
        assert_eq!(early, BuildId::new(Timestamp::from_millis(1), [9; 10]));
        assert_eq!(early.as_uuid().get_version_num(), 7);
        assert_eq!(early.to_string().parse::<BuildId>().unwrap(), early);
    }

    #[test]
    fn attempt_numbers_only_grow() {
        assert_eq!(AttemptNumber::new(0), AttemptNumber::FIRST);
        assert!(AttemptNumber::FIRST.next() > AttemptNumber::FIRST);
    }
}
