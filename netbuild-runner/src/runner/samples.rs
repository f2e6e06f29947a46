//! Values for unit tests.

use netbuild_core::model::{
    AccountId, AttemptNumber, BuildId, BuildKey, GatewayAccess, Job, JobRules, ProjectId, RepositoryUrl, Revision,
    Source, Timestamp,
};
use secrecy::SecretString;

/// A job that fetches `main` from a host that does not exist.
pub(super) fn job() -> Job {
    let build = BuildKey {
        account: AccountId::new("acme").expect("a fixed name"),
        project: ProjectId::new("site").expect("a fixed name"),
        build: BuildId::new(Timestamp::EPOCH, [1; 10]),
    };
    Job {
        attempt: build.attempt(AttemptNumber::FIRST),
        source: Source {
            repository: RepositoryUrl::parse("https://git.example/r").expect("a fixed URL"),
            revision: Revision::parse("main").expect("a fixed ref"),
        },
        command: "true".to_owned(),
        publish: None,
        env: Default::default(),
        secrets: Default::default(),
        caches: Vec::new(),
        credential: None,
        image: None,
        user: None,
        gateway: GatewayAccess {
            url: "http://127.0.0.1:1".to_owned(),
            token: SecretString::from("token-canary".to_owned()),
        },
        rules: JobRules::default(),
    }
}
