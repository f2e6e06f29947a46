//! Random lives of the engine: whatever happens, the promises hold.

use netbuild_core::model::Ending;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use crate::history::{self, Fact};
use crate::world::{BOUNDS, World};

/// 256 lives, the same each time; with `NETBUILD_SOAK=1` 20,000, others each time.
fn lives() -> Config {
    let soak = std::env::var_os("NETBUILD_SOAK").is_some_and(|soak| soak == "1");
    let (cases, rng_seed) = if soak { (20_000, RngSeed::Random) } else { (256, RngSeed::Fixed(2)) };
    Config { cases, rng_seed, failure_persistence: None, max_shrink_iters: 3_000, ..Config::default() }
}

proptest! {
    #![proptest_config(lives())]

    #[test]
    fn every_life_keeps_the_promises(tape in vec(any::<u16>(), 0..4_000)) {
        let history = World::live(tape);
        if let Err(broken) = history::check(&history, BOUNDS) {
            return Err(TestCaseError::fail(broken));
        }
    }
}

/// Builds run and are deployed where nothing goes wrong, so that the promises above are not kept by an idle world.
#[test]
fn a_life_without_faults_deploys_and_fails_nothing() {
    let submits = [85, 0, 0, 0, 0].repeat(20);
    let history = World::live(submits);
    history::check(&history, BOUNDS).unwrap();
    let count = |wanted: fn(&Fact) -> bool| history.iter().filter(|fact| wanted(fact)).count();
    let deployed = count(|fact| matches!(fact, Fact::Ended { ending: Ending::Deployed { .. }, .. }));
    let failed = count(|fact| matches!(fact, Fact::Ended { ending: Ending::Failed { .. }, .. }));
    assert!(deployed >= 5 && failed == 0, "{deployed} deployed, {failed} failed");
}
