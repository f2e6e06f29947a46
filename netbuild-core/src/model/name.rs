//! Names that executors give to what they run.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::BuildKey;

/// The secret key of the name hash. The ledger makes it once and keeps it for ever: another key would give a running
/// build another name, and the name is the lock.
#[derive(Clone, PartialEq, Eq)]
pub struct NameKey([u8; 32]);

impl NameKey {
    /// A key of 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        NameKey(bytes)
    }

    /// The bytes, for the ledger to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name of a build on any executor: `nb-` and 20 hexadecimal digits of a keyed hash of account, project and id.
    ///
    /// It has no attempt number on purpose: a cluster or host refuses a second object of the same name, which makes it
    /// the lock that keeps a build from running twice there. It holds no tenant text, so no tenant can shape it.
    pub fn name(&self, key: &BuildKey) -> BuildName {
        let mut mac = self.mac("name");
        for part in [key.account.as_str().as_bytes(), key.project.as_str().as_bytes(), key.build.as_uuid().as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let hash = mac.finalize().into_bytes();
        let hex: String = hash[..10].iter().map(|byte| format!("{byte:02x}")).collect();
        BuildName(format!("nb-{hex}"))
    }

    /// A key for another purpose, from which this one cannot be computed.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut mac = self.mac("derive");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn mac(&self, domain: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(domain.as_bytes());
        mac.update(&[0]);
        mac
    }
}

impl fmt::Debug for NameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameKey([REDACTED])")
    }
}

/// The name of a build's pod, container or folder: 23 characters of `[a-z0-9-]`. Made by [`NameKey::name`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuildName(String);

impl BuildName {
    /// The text, fit for DNS labels and file names.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BuildName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, BuildId, ProjectId, Timestamp};

    fn key(account: &str, project: &str) -> BuildKey {
        BuildKey {
            account: AccountId::new(account).unwrap(),
            project: ProjectId::new(project).unwrap(),
            build: BuildId::new(Timestamp::EPOCH, [1; 10]),
        }
    }

    #[test]
    fn a_name_is_stable_fits_dns_and_tells_tenants_apart() {
        let names = NameKey::new([7; 32]);
        let name = names.name(&key("acme", "site"));
        assert_eq!(name, names.name(&key("acme", "site")));
        assert_eq!(name.as_str(), "nb-281c68b921f0ce740a64", "published names never change");
        assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        assert_ne!(name, names.name(&key("acmes", "ite")), "parts are length-prefixed");
        assert_ne!(name, NameKey::new([8; 32]).name(&key("acme", "site")));
        assert_eq!(format!("{names:?}"), "NameKey([REDACTED])");
    }
}
