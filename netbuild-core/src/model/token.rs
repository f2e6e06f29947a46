//! The token by which a runner proves to the gateway which attempt it is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{AttemptId, CacheScope, NameKey};

/// The secret key of gateway tokens. It comes from the ledger's key, so that the token of a running attempt is still good
/// after a restart of the scheduler or the gateway.
#[derive(Clone)]
pub struct GatewayKey([u8; 32]);

/// What a token proves: who asks, and what it may touch. The scheduler says so when it dispatches; a runner, or a command
/// that has overcome it, cannot choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayClaim {
    /// The attempt, with its account and project.
    pub attempt: AttemptId,
    /// The scope of its caches.
    pub scope: CacheScope,
}

impl From<&NameKey> for GatewayKey {
    fn from(key: &NameKey) -> Self {
        GatewayKey(key.derive("gateway-token"))
    }
}

impl GatewayKey {
    /// The token of a claim: the claim, and a MAC over it.
    pub fn token(&self, claim: &GatewayClaim) -> SecretString {
        let claim = serde_json::to_vec(claim).expect("a claim is always JSON");
        let mac = self.mac(&claim).finalize().into_bytes();
        SecretString::from(format!("{}.{}", URL_SAFE_NO_PAD.encode(claim), URL_SAFE_NO_PAD.encode(mac)))
    }

    /// The claim that a token proves. The comparison takes the same time wherever the texts differ.
    ///
    /// # Errors
    /// [`InvalidToken`] when it was not made by this key.
    pub fn verify(&self, token: &str) -> Result<GatewayClaim, InvalidToken> {
        let (claim, mac) = token.split_once('.').ok_or(InvalidToken)?;
        let claim = URL_SAFE_NO_PAD.decode(claim).map_err(|_| InvalidToken)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| InvalidToken)?;
        self.mac(&claim).verify_slice(&mac).map_err(|_| InvalidToken)?;
        serde_json::from_slice(&claim).map_err(|_| InvalidToken)
    }

    fn mac(&self, claim: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(claim);
        mac
    }
}

impl fmt::Debug for GatewayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayKey([REDACTED])")
    }
}

/// A token that this gateway did not give out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway did not give out this token")]
pub struct InvalidToken;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::model::{AccountId, AttemptNumber, BuildId, BuildKey, ProjectId, Timestamp};

    #[test]
    fn a_token_speaks_for_one_attempt_and_cannot_be_altered() {
        let key = GatewayKey::from(&NameKey::new([1; 32]));
        let build = BuildKey {
            account: AccountId::new("acme").unwrap(),
            project: ProjectId::new("site").unwrap(),
            build: BuildId::new(Timestamp::EPOCH, [1; 10]),
        };
        let claim_of = |number| GatewayClaim { attempt: build.attempt(number), scope: CacheScope::Trusted };
        let claim = claim_of(AttemptNumber::FIRST);
        let token = key.token(&claim);
        let token = token.expose_secret();
        assert_eq!(key.verify(token), Ok(claim));
        assert_eq!(GatewayKey::from(&NameKey::new([2; 32])).verify(token), Err(InvalidToken));
        let (claim, mac) = token.split_once('.').unwrap();
        let other = key.token(&claim_of(AttemptNumber::new(2)));
        let (other_claim, _) = other.expose_secret().split_once('.').unwrap();
        assert_eq!(
            key.verify(&format!("{other_claim}.{mac}")),
            Err(InvalidToken),
            "a MAC is good for its own claim only"
        );
        assert_eq!(key.verify(&format!("{claim}.")), Err(InvalidToken));
        assert_eq!(key.verify(""), Err(InvalidToken));
    }
}
