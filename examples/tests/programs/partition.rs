//! A partition as a person watches it.

use std::process::Command;

use crate::support::{example, json};

#[test]
fn the_proof_holds_with_the_stand_in() {
    prove(&["--stand-in"], "a stand-in in memory");
}

mod needs_nats {
    #[test]
    fn the_proof_holds_with_a_real_server_behind_a_fault_proxy() {
        super::prove(&[], "a nats-server of its own");
    }
}

fn prove(arguments: &[&str], broker: &str) {
    let output = Command::new(example("publish_through_partition"))
        .args(["--json", "--partition", "2", "--rate", "100"])
        .args(arguments)
        .output()
        .unwrap();
    let proof = json(&output);
    assert!(output.status.success(), "{proof}");
    assert_eq!((&proof["lost"], &proof["doubled"], &proof["order_kept"]), (&0.into(), &0.into(), &true.into()));
    assert_eq!(proof["accepted"], proof["received"]);
    assert!(proof["kept_back"].as_u64().unwrap() > 0, "{proof}");
    assert!(proof["drained"].as_u64().unwrap() >= proof["kept_back"].as_u64().unwrap(), "{proof}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for text in ["closed", "open", "black hole", "kept back", broker] {
        assert!(said.contains(text), "{text}: {said}");
    }
}
