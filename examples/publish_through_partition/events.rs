//! Events that keep coming, whatever the broker does.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::intake::Publisher;
use netbuild_core::model::{
    AccountId, Build, BuildId, BuildSpec, DeployContext, Priority, ProjectId, RepositoryUrl, Revision, Source, Trust,
};
use netbuild_core::port::{Clock, Event, EventKey, OutboxError, SystemClock};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Records events at a rate until nobody wants more; answers the builds of those that were accepted, in order.
pub(crate) async fn record(
    publisher: Arc<Publisher>,
    rate: u32,
    until: CancellationToken,
) -> Result<Vec<BuildId>, OutboxError> {
    let mut accepted = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while until.run_until_cancelled(ticks.tick()).await.is_some() {
        let event = event(accepted.len());
        let recorded = publisher.record(&[event]).await?;
        accepted.extend(recorded.into_iter().map(|recorded| recorded.build));
    }
    Ok(accepted)
}

/// A push to the production branch of one of some customers' sites.
fn event(number: usize) -> Event {
    const VALID: &str = "it is a valid constant";
    let build = Build {
        id: BuildId::generate(),
        account: AccountId::new(format!("customer-{}", number % 7)).expect(VALID),
        project: ProjectId::new("site").expect(VALID),
        source: Source {
            repository: RepositoryUrl::parse("https://git.example/site.git").expect(VALID),
            revision: Revision::parse("main").expect(VALID),
        },
        context: DeployContext::Production,
        spec: BuildSpec::new("make site"),
        priority: Priority::default(),
        trust: Trust::Trusted,
        created_at: SystemClock::new().now(),
    };
    Event { key: EventKey(format!("push {number}")), build }
}
