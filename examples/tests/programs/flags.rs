//! The life of a flag as a person reads it.

use std::process::Command;

use crate::support::{example, json};

#[test]
fn the_proof_holds_and_each_step_is_told() {
    let output = Command::new(example("flags")).args(["--json", "--accounts", "500"]).output().unwrap();
    let proof = json(&output);
    assert!(output.status.success(), "{proof}");
    for nobody in ["previewed_out", "moved_out", "off_schedule", "left_in_pods"] {
        assert_eq!(proof[nobody], 0, "{proof}");
    }
    let number = |name: &str| proof[name].as_u64().unwrap();
    assert_eq!(number("previewed_in"), number("on_after_raise") - number("on_at_first"));
    assert!(number("previewed_in") > 0, "{proof}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for text in ["account excluded", "group teams", "move in", "5% of accounts", "moves in after", "pods fail"] {
        assert!(said.contains(text), "{text}: {said}");
    }
}
