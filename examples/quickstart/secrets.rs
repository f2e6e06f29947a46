//! The secrets of the command line behind the `Secrets` port.

use std::collections::BTreeMap;

use async_trait::async_trait;
use netbuild_core::model::{AccountId, Build, ProjectId, SecretRef};
use netbuild_core::port::{Secrets, SecretsError};
use secrecy::SecretString;

/// Holds the secrets of one project in memory.
#[derive(Debug)]
pub(crate) struct GivenSecrets {
    account: AccountId,
    project: ProjectId,
    values: BTreeMap<String, SecretString>,
}

impl GivenSecrets {
    /// Secrets by their names, for builds of this project alone.
    pub(crate) fn new(account: AccountId, project: ProjectId, values: BTreeMap<String, SecretString>) -> Self {
        GivenSecrets { account, project, values }
    }

    fn value(&self, build: &Build, reference: &SecretRef) -> Result<SecretString, SecretsError> {
        let ours = build.account == self.account && build.project == self.project;
        let value = if ours { self.values.get(&reference.0) } else { None };
        value.cloned().ok_or_else(|| SecretsError::Missing(reference.clone()))
    }
}

#[async_trait]
impl Secrets for GivenSecrets {
    async fn resolve(&self, build: &Build) -> Result<BTreeMap<String, SecretString>, SecretsError> {
        let resolve = |(name, reference): (&String, &SecretRef)| Ok((name.clone(), self.value(build, reference)?));
        build.spec.secrets.iter().map(resolve).collect()
    }
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::{BuildId, Timestamp};
    use secrecy::ExposeSecret;

    use super::*;
    use crate::args::{Args, Work};
    use crate::builds;

    #[tokio::test]
    async fn only_the_project_itself_gets_its_secrets() {
        let line = ["quickstart", "--repo", "https://git.example/r", "--command", "make", "--secret", "KEY=canary"];
        let args = Args::parse_from(line, |_| None).unwrap();
        let Work::Repository(request) = &args.work else { panic!("a repository was given") };
        let mut build = builds::requested(&args, request, BuildId::generate(), Timestamp::EPOCH).build;
        let secrets = GivenSecrets::new(args.account.clone(), args.project.clone(), request.secrets.clone());
        assert_eq!(secrets.resolve(&build).await.unwrap()["KEY"].expose_secret(), "canary");
        build.account = AccountId::new("another").unwrap();
        assert!(matches!(secrets.resolve(&build).await, Err(SecretsError::Missing(_))));
        assert!(!format!("{secrets:?}").contains("canary"));
    }
}
