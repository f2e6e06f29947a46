//! What happened, judged by the ledger.

use std::collections::BTreeMap;

use netbuild_core::model::BuildId;

use crate::child::id_of;
use crate::counts::PUBLISHERS;

/// What is wrong; nothing, if all is well.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Events that were accepted and never admitted.
    pub(crate) lost: u64,
    /// Builds that were admitted more than once.
    pub(crate) doubled: u64,
    /// Builds that nobody asked for.
    pub(crate) foreign: u64,
    /// Events that were admitted after a later one of their publisher.
    pub(crate) out_of_order: u64,
}

/// Judges what was admitted, in order, where each publisher's events 1 to `accepted` were accepted.
pub(crate) fn judge(admitted: &[BuildId], accepted: u64) -> Verdict {
    let mut expected = BTreeMap::new();
    for publisher in 1..=PUBLISHERS {
        expected.extend((1..=accepted).map(|event| (id_of(publisher, event), (publisher, event, 0_u64))));
    }
    let mut verdict = Verdict::default();
    let mut last = BTreeMap::new();
    for id in admitted {
        let Some((publisher, event, times)) = expected.get_mut(id) else {
            verdict.foreign += 1;
            continue;
        };
        *times += 1;
        verdict.doubled += u64::from(*times > 1);
        let last = last.entry(*publisher).or_insert(0);
        verdict.out_of_order += u64::from(*event < *last);
        *last = (*last).max(*event);
    }
    verdict.lost = expected.values().filter(|(_, _, times)| *times == 0).count() as u64;
    verdict
}

#[test]
fn the_judge_finds_what_is_wrong() {
    let all = |publisher| (1..=3).map(move |event| id_of(publisher, event));
    let good: Vec<BuildId> = (1..=PUBLISHERS).flat_map(all).collect();
    assert_eq!(judge(&good, 3), Verdict::default());
    assert_eq!(judge(&good[1..], 3), Verdict { lost: 1, ..Verdict::default() });
    let mut swapped = good.clone();
    swapped.swap(0, 1);
    assert_eq!(judge(&swapped, 3), Verdict { out_of_order: 1, ..Verdict::default() });
    let mut doubled = good.clone();
    doubled.insert(1, good[0]);
    assert_eq!(judge(&doubled, 3), Verdict { doubled: 1, ..Verdict::default() });
    assert_eq!(judge(&good, 2), Verdict { foreign: PUBLISHERS, ..Verdict::default() });
}
