//! What a Git host and its receiver share, and how a request proves that it knows it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::Refusal;
use super::headers::Header;

/// The shortest secret, in bytes: 16 random ones in hexadecimal or base64 are longer.
pub const MIN_SECRET_BYTES: usize = 16;

/// The most secrets of one webhook. Each is tried on every request.
pub const MAX_SECRETS: usize = 8;

/// The secrets of a webhook that are valid now. A rotation adds the new one, changes it at the Git host, and takes the
/// old one away.
#[derive(Clone)]
pub struct Secrets(Vec<SecretString>);

/// Why secrets are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSecrets {
    /// None at all, or too many.
    #[error("a webhook has 1 to {MAX_SECRETS} secrets")]
    Count,
    /// One can be guessed.
    #[error("a webhook's secret has at least {MIN_SECRET_BYTES} bytes: make one of random bytes")]
    Short,
}

impl Secrets {
    /// The valid secrets, in any order.
    ///
    /// # Errors
    /// [`InvalidSecrets`]: an empty or short secret would let anybody in.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Result<Self, InvalidSecrets> {
        let secrets: Vec<_> = secrets.into_iter().take(MAX_SECRETS + 1).collect();
        if secrets.is_empty() || secrets.len() > MAX_SECRETS {
            return Err(InvalidSecrets::Count);
        }
        if secrets.iter().any(|secret| secret.expose_secret().len() < MIN_SECRET_BYTES) {
            return Err(InvalidSecrets::Short);
        }
        Ok(Secrets(secrets))
    }

    /// Checks a signature `sha256=…`: the HMAC-SHA256 of the body as it came, under one of the secrets.
    pub(super) fn verify_hmac(&self, signature: &Header, body: &[u8]) -> Result<(), Refusal> {
        let header = signature.name;
        let claimed = parse_signature(signature.proof()?).ok_or(Refusal::SignatureMalformed { header })?;
        self.any(header, |secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
            mac.update(body);
            mac.finalize().into_bytes().as_slice().ct_eq(&claimed)
        })
    }

    /// Checks a token: one of the secrets itself. Hashes are compared, so that the time tells no length either.
    pub(super) fn verify_token(&self, token: &Header) -> Result<(), Refusal> {
        let claimed = Sha256::digest(token.proof()?);
        self.any(token.name, |secret| Sha256::digest(secret).as_slice().ct_eq(claimed.as_slice()))
    }

    /// Tries every secret, also behind one that fits: the time does not tell which one that was.
    fn any(&self, header: &'static str, fits: impl Fn(&[u8]) -> Choice) -> Result<(), Refusal> {
        let tried = self.0.iter().map(|secret| fits(secret.expose_secret().as_bytes()));
        let found = tried.fold(Choice::from(0), |found, fits| found | fits);
        if bool::from(found) { Ok(()) } else { Err(Refusal::SignatureWrong { header }) }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} [REDACTED])", self.0.len())
    }
}

fn parse_signature(text: &[u8]) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.strip_prefix(b"sha256=")?.try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex(pair[0])? << 4 | hex(pair[1])?;
    }
    Some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
