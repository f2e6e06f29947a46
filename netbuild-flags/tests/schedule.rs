//! Ramps and steps.

use std::time::Duration;

use netbuild_core::model::Timestamp;
use netbuild_flags::{Percentage, Ramp, Share, Steps};
use proptest::prelude::*;

fn ramp(from: u16, to: u16, start: u64, end: u64) -> Ramp {
    let (start, end) = (Timestamp::from_millis(start), Timestamp::from_millis(end));
    Ramp { from: Percentage::from_hundredths(from), to: Percentage::from_hundredths(to), start, end }
}

#[test]
fn a_ramp_is_even_between_its_ends_and_still_outside() {
    let up = ramp(0, 10_000, 1_000, 2_000);
    for (millis, hundredths) in
        [(0, 0), (1_000, 0), (1_001, 10), (1_500, 5_000), (1_999, 9_990), (2_000, 10_000), (9_999, 10_000)]
    {
        assert_eq!(up.at(Timestamp::from_millis(millis)).hundredths(), hundredths, "at {millis}");
    }
    let down = ramp(500, 100, 0, 400);
    for (millis, hundredths) in [(0, 500), (1, 499), (200, 300), (400, 100)] {
        assert_eq!(down.at(Timestamp::from_millis(millis)).hundredths(), hundredths, "at {millis}");
    }
    let jump = ramp(0, 10_000, 5, 5);
    let at = |millis| jump.at(Timestamp::from_millis(millis)).hundredths();
    assert_eq!((at(4), at(5)), (0, 10_000));
    assert_eq!(jump.when(9_999), Some(Timestamp::from_millis(5)));
    assert_eq!(jump.next_change(Timestamp::EPOCH), Some(Timestamp::from_millis(5)));
}

#[test]
fn steps_are_held_and_advance_one_by_one() {
    let steps = [1, 5, 25, 100].map(|percent| Percentage::from_hundredths(percent * 100)).to_vec();
    let mut stands = Steps { steps: steps.clone(), at: 0, since: Timestamp::EPOCH, hold_seconds: 60 };
    let mut now = Timestamp::EPOCH;
    for step in &steps {
        assert_eq!(stands.now(), *step);
        assert_eq!(stands.advanced(now + Duration::from_millis(59_999)), None);
        now = now + Duration::from_secs(60);
        let Some(next) = stands.advanced(now) else { break };
        assert_eq!(next.since, now);
        stands = next;
    }
    assert!(stands.is_done() && stands.now() == Percentage::ALL);
    assert_eq!(stands.advanced(Timestamp::from_millis(u64::MAX)), None);
    assert_eq!(Steps { at: usize::MAX, ..stands.clone() }.now(), Percentage::ALL, "whatever a text says");
    assert!(Steps { at: usize::MAX, ..stands }.is_done());
}

#[test]
fn shares_are_read_by_their_form_and_mistakes_are_named() {
    let read = |text: &str| serde_json::from_str::<Share>(text).map_err(|error| error.to_string());
    assert_eq!(read("12.5"), Ok(Share::Fixed(Percentage::from_hundredths(1_250))));
    assert_eq!(read("100"), Ok(Share::Fixed(Percentage::ALL)));
    let text = r#"{"from":0,"to":100,"start":"2026-01-31T08:00:00Z","end":"2026-01-31T10:00:00+01:00"}"#;
    let Ok(Share::Ramp(ramp)) = read(text) else { panic!("{:?}", read(text)) };
    assert_eq!(ramp.end.since(ramp.start), Duration::from_secs(3_600));
    let text = r#"{"steps":[1,5,100],"hold_seconds":600}"#;
    assert!(matches!(read(text), Ok(Share::Steps(steps)) if steps.now() == Percentage::from_hundredths(100)));
    for (text, words) in [
        ("101", "101 is no percentage"),
        ("-1", "-1 is no percentage"),
        ("0.001", "0.001 is no percentage"),
        (r#""half""#, "a percentage, or a table"),
        (r#"{"from":0}"#, "missing field `to`"),
        (r#"{"from":0,"to":100,"start":"soon","end":"later"}"#, "\"later\" is no time"),
        (r#"{"steps":[1],"hold_seconds":1,"speed":2}"#, "unknown field `speed`"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
    for share in [Share::Ramp(ramp), Share::Fixed(Percentage::from_hundredths(1))] {
        assert_eq!(read(&serde_json::to_string(&share).unwrap()), Ok(share));
    }
}

proptest! {
    #[test]
    fn each_id_changes_sides_once_at_the_moment_that_was_told(
        from in 0_u16..=10_000, to in 0_u16..=10_000, bucket in 0_u16..10_000,
        start in 0_u64..5_000, length in 0_u64..5_000, probe in prop::collection::vec(0_u64..12_000, 1..50),
    ) {
        let ramp = ramp(from, to, start, start + length);
        let side = |millis| ramp.at(Timestamp::from_millis(millis)).holds(bucket);
        match ramp.when(bucket) {
            None => prop_assert!(probe.iter().all(|millis| side(*millis) == ramp.from.holds(bucket))),
            Some(when) => {
                let at = when.as_millis();
                prop_assert_eq!(side(at), ramp.to.holds(bucket));
                prop_assert!(at == 0 || side(at - 1) == ramp.from.holds(bucket));
                for millis in probe {
                    prop_assert_eq!(side(millis), if millis < at { ramp.from } else { ramp.to }.holds(bucket));
                }
            }
        }
    }

    #[test]
    fn the_next_change_is_the_next_change(
        from in 0_u16..=10_000, to in 0_u16..=10_000, start in 0_u64..3_000, length in 0_u64..3_000, now in 0_u64..7_000,
    ) {
        let ramp = ramp(from, to, start, start + length);
        let at = |millis| ramp.at(Timestamp::from_millis(millis));
        let next = (now + 1..=start + length).find(|millis| at(*millis) != at(now));
        let told = ramp.next_change(Timestamp::from_millis(now));
        prop_assert_eq!(told, next.map(Timestamp::from_millis));
    }
}
