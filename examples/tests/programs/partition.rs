//! A partition as a person watches it.

use std::process::Command;

use crate::support::{example, json};

#[test]
fn the_proof_holds_with_the_stand_in() {
    let output = Command::new(example("publish_through_partition"))
        .args(["--json", "--stand-in", "--partition", "2", "--rate", "100"])
        .output()
        .unwrap();
    let proof = json(&output);
    assert!(output.status.success(), "{proof}");
    assert_eq!((&proof["lost"], &proof["doubled"], &proof["order_kept"]), (&0.into(), &0.into(), &true.into()));
    assert_eq!(proof["accepted"], proof["received"]);
    assert!(proof["kept_back"].as_u64().unwrap() > 0, "{proof}");
    assert!(proof["drained"].as_u64().unwrap() >= proof["kept_back"].as_u64().unwrap(), "{proof}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for state in ["closed", "open", "black hole", "kept back"] {
        assert!(said.contains(state), "{state}: {said}");
    }
}
