//! The labels of an attempt's container: what it is, and what it reserves.

use std::collections::HashMap;

use netbuild_core::model::{AccountId, AttemptId, AttemptNumber, BuildKey, ProjectId};

use super::host::Capacity;

/// The executor that made a container or volume. All that it lists and removes has it.
pub(super) const EXECUTOR: &str = "netbuild.executor";
/// What a container or volume of the executor is for: [`BUILD`] or [`HELPER`].
pub(super) const ROLE: &str = "netbuild.role";
const ACCOUNT: &str = "netbuild.account";
const PROJECT: &str = "netbuild.project";
const BUILD_ID: &str = "netbuild.build";
/// The fence.
const ATTEMPT: &str = "netbuild.attempt";
const MEMORY: &str = "netbuild.memory-bytes";
const CPU: &str = "netbuild.cpu-millis";

/// The role of an attempt's container.
pub(super) const BUILD: &str = "build";
/// The role of a container of the executor's own.
pub(super) const HELPER: &str = "helper";

/// What the labels of an attempt's container say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) attempt: AttemptId,
    /// What it reserves of its host.
    pub(super) reserved: Capacity,
}

impl Labels {
    /// The labels as the daemon keeps them.
    pub(super) fn write(&self, executor: &str) -> HashMap<String, String> {
        let AttemptId { build: BuildKey { account, project, build }, number } = &self.attempt;
        let Capacity { memory_bytes, cpu_millis, slots: _ } = self.reserved;
        [
            (EXECUTOR, executor.to_owned()),
            (ROLE, BUILD.to_owned()),
            (ACCOUNT, account.as_str().to_owned()),
            (PROJECT, project.as_str().to_owned()),
            (BUILD_ID, build.as_uuid().to_string()),
            (ATTEMPT, number.get().to_string()),
            (MEMORY, memory_bytes.to_string()),
            (CPU, cpu_millis.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Reads them; `None` when they are not those of an attempt: somebody else made the container.
    pub(super) fn read(labels: &HashMap<String, String>) -> Option<Self> {
        let get = |name: &str| labels.get(name);
        let build = BuildKey {
            account: AccountId::new(get(ACCOUNT)?).ok()?,
            project: ProjectId::new(get(PROJECT)?).ok()?,
            build: get(BUILD_ID)?.parse().ok()?,
        };
        let number = |name: &str| get(name)?.parse::<u64>().ok();
        let attempt = build.attempt(AttemptNumber::new(get(ATTEMPT)?.parse().ok()?));
        let reserved = Capacity { slots: 1, memory_bytes: number(MEMORY)?, cpu_millis: number(CPU)? };
        Some(Labels { attempt, reserved })
    }
}

/// The labels of a container or volume of the executor's own.
pub(super) fn helper(executor: &str) -> HashMap<String, String> {
    [(EXECUTOR, executor), (ROLE, HELPER)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::{BuildId, Timestamp};

    use super::*;

    #[test]
    fn labels_are_read_as_they_were_written_whatever_the_tenant_is_called() {
        for name in ["acme", "netbuild.account=x", "ä \"quoted\" {json}", "a,b"] {
            let (account, project) = (AccountId::new(name).unwrap(), ProjectId::new(name).unwrap());
            let build = BuildKey { account, project, build: BuildId::new(Timestamp::EPOCH, [7; 10]) };
            let reserved = Capacity { slots: 1, memory_bytes: u64::MAX, cpu_millis: 5 };
            let labels = Labels { attempt: build.attempt(AttemptNumber::new(3)), reserved };
            assert_eq!(Labels::read(&labels.write("docker")).as_ref(), Some(&labels));
        }
    }

    #[test]
    fn other_containers_are_not_attempts() {
        assert_eq!(Labels::read(&HashMap::new()), None);
        assert_eq!(Labels::read(&helper("docker")), None);
    }
}
