//! The token by which a runner proves to the gateway which attempt it is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::Sha256;

use super::{AttemptId, NameKey};

/// The secret key of gateway tokens. It comes from the ledger's key, so that the token of a running attempt is still good
/// after a restart of the scheduler or the gateway.
#[derive(Clone)]
pub struct GatewayKey([u8; 32]);

impl From<&NameKey> for GatewayKey {
    fn from(key: &NameKey) -> Self {
        GatewayKey(key.derive("gateway-token"))
    }
}

impl GatewayKey {
    /// The token of an attempt: who it is, and a MAC over that. Bound to account, project, build and number.
    pub fn token(&self, attempt: &AttemptId) -> SecretString {
        let claim = serde_json::to_vec(attempt).expect("an attempt id is always JSON");
        let mac = self.mac(&claim).finalize().into_bytes();
        SecretString::from(format!("{}.{}", URL_SAFE_NO_PAD.encode(claim), URL_SAFE_NO_PAD.encode(mac)))
    }

    /// The attempt that a token speaks for. The comparison takes the same time wherever the texts differ.
    ///
    /// # Errors
    /// [`InvalidToken`] when it was not made by this key.
    pub fn verify(&self, token: &str) -> Result<AttemptId, InvalidToken> {
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
        let attempt = build.attempt(AttemptNumber::FIRST);
        let token = key.token(&attempt);
        let token = token.expose_secret();
        assert_eq!(key.verify(token), Ok(attempt.clone()));
        assert_eq!(GatewayKey::from(&NameKey::new([2; 32])).verify(token), Err(InvalidToken));
        let (claim, mac) = token.split_once('.').unwrap();
        let other = key.token(&build.attempt(AttemptNumber::new(2)));
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
