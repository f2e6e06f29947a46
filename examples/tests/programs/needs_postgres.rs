//! A host's own table as the outbox.

use std::process::Command;

use crate::support::{example, json};

#[test]
fn the_proof_of_own_outbox_holds() {
    let output = Command::new(example("own_outbox")).args(["--json", "--events", "150"]).output().unwrap();
    let proof = json(&output);
    assert!(output.status.success(), "{proof}");
    assert_eq!((&proof["lost"], &proof["doubled"], &proof["order_kept"]), (&0.into(), &0.into(), &true.into()));
    assert_eq!(
        (&proof["accepted"], &proof["received"]),
        (&516.into(), &516.into()),
        "of 600, one in seven rolled back"
    );
}
