//! The figures.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::cached::{fork, trusted};
use crate::world::World;

/// Counters by name and labels.
#[derive(Clone, Debug, Default)]
struct Counters(Arc<Mutex<BTreeMap<String, u64>>>);

struct One {
    counters: Counters,
    name: String,
}

impl CounterFn for One {
    fn increment(&self, by: u64) {
        *self.counters.0.lock().unwrap().entry(self.name.clone()).or_default() += by;
    }

    fn absolute(&self, _: u64) {}
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: String = key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        let name = key.name().trim_start_matches("netbuild_cache_").trim_end_matches("_total");
        Counter::from_arc(Arc::new(One { counters: self.clone(), name: format!("{name}{labels}") }))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn hits_misses_bytes_and_removals_are_counted_without_names() {
    let counters = Counters::default();
    // The test's runtime has one thread, the gateway's as well.
    let _guard = metrics::set_default_local_recorder(&counters);
    let world = World::new().await;
    let build = trusted(&world);
    build.find("npm", "lock").await;
    build.save("npm", "lock", b"0123456789").await;
    build.save("npm", "lock", b"not the first").await;
    build.restore("npm", "lock").await;
    fork(&world, "7").restore("npm", "other lock").await;
    build.broken("npm", "lock", b"0123456789").await;
    build.save("npm", "lock 2", b"x").await;
    world.clock.advance(Duration::from_secs(400 * 24 * 3600));
    world.caches.sweep().await.unwrap();
    build.save("npm", "lock 3", b"y").await;
    let (account, project) = (&build.attempt.build.account, &build.attempt.build.project);
    world.caches.clear(account, project).await.unwrap();
    let expected = [
        ("finds found=none", 1),
        ("finds found=exact", 1),
        ("finds found=older", 1),
        ("restored_bytes", 20),
        ("saved_bytes", 12),
        ("removed why=broken", 1),
        ("removed why=evicted", 1),
        ("removed why=unsaved", 1),
        ("removed why=cleared", 1),
    ];
    let counted = counters.0.lock().unwrap().clone();
    assert_eq!(counted, expected.map(|(name, count)| (name.to_owned(), count)).into());
}
