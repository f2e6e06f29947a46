//! The port that resolves secrets, at dispatch and never earlier.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use secrecy::SecretString;

use super::error::Source;
use crate::model::{Build, SecretRef};

/// Turns the references of a build into values.
///
/// The scheduler asks only for trusted builds; an untrusted one gets no secrets, whatever it refers to.
#[async_trait]
pub trait Secrets: Debug + Send + Sync + 'static {
    /// The values of the build's secret variables, by the variables' names. The build's account and project are part of
    /// the look-up: equal references of two tenants are two secrets.
    ///
    /// # Errors
    /// [`SecretsError`].
    async fn resolve(&self, build: &Build) -> Result<BTreeMap<String, SecretString>, SecretsError>;

    /// The value of the build's [`credential`](crate::model::BuildSpec::credential), which is `reference`. Unless it is
    /// overridden, there is none.
    ///
    /// # Errors
    /// [`SecretsError`].
    async fn credential(&self, _build: &Build, reference: &SecretRef) -> Result<SecretString, SecretsError> {
        Err(SecretsError::Missing(reference.clone()))
    }
}

/// Why secrets could not be resolved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// There is no such secret: the build fails, and its configuration is why.
    #[error("the secret {:?} does not exist", .0.0)]
    Missing(SecretRef),
    /// The store cannot be reached: try again.
    #[error("the secret store is not available")]
    Unavailable(#[source] Source),
}

/// Knows no secret: a build that refers to one fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn resolve(&self, build: &Build) -> Result<BTreeMap<String, SecretString>, SecretsError> {
        match build.spec.secrets.values().next() {
            Some(reference) => Err(SecretsError::Missing(reference.clone())),
            None => Ok(BTreeMap::new()),
        }
    }
}
