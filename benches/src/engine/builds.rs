//! The builds that the benchmarks queue.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::{
    AccountId, Build, BuildId, BuildSpec, DeployContext, InvalidName, Limits, OnUnknown, Priority, ProjectId,
    RepositoryUrl, Revision, Source, Timestamp, Trust,
};

/// Builds of many accounts in the order in which they are asked for, a millisecond apart. The accounts follow each other
/// in no order, and their queue limits differ, so that neither fairness nor timers find their work in order.
#[derive(Clone, Debug)]
pub struct Builds(pub Vec<Arc<Build>>);

impl Builds {
    /// `count` builds of at most `accounts` accounts: with fewer builds than accounts some accounts have none.
    ///
    /// # Errors
    /// None in practice: the names are valid.
    pub fn new(count: usize, accounts: usize) -> Result<Self, InvalidName> {
        let accounts =
            (0..accounts).map(|n| AccountId::new(format!("account-{n:06}"))).collect::<Result<Vec<_>, _>>()?;
        let project = ProjectId::new("site")?;
        let builds = (0..count as u64).map(|n| {
            let account = mix(n) as usize % accounts.len();
            Arc::new(build(n, accounts[account].clone(), project.clone(), account as u64))
        });
        Ok(Builds(builds.collect()))
    }
}

fn build(n: u64, account: AccountId, project: ProjectId, account_number: u64) -> Build {
    let created_at = Timestamp::from_millis(n);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&mix(n).to_be_bytes());
    Build {
        id: BuildId::new(created_at, random),
        account,
        project,
        source: Source {
            repository: RepositoryUrl::parse("https://git.example/acme/site.git").expect("an https URL"),
            revision: Revision::parse("main").expect("a branch"),
        },
        context: DeployContext::Production,
        spec: BuildSpec {
            limits: Limits { queue: Duration::from_secs(3600 * (6 + account_number % 7)), ..Limits::default() },
            on_unknown: OnUnknown::Rerun,
            ..BuildSpec::new("make site")
        },
        priority: Priority::default(),
        trust: Trust::Trusted,
        created_at,
    }
}

/// Spreads numbers over all others, always in the same way (the finalizer of SplitMix64).
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
