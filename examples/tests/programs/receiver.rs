//! Webhooks over a real socket.

use std::process::Command;

use crate::support::{example, json};

#[test]
fn each_push_is_recorded_once_and_nothing_else_is() {
    let output = Command::new(example("webhook_receiver")).arg("--json").output().unwrap();
    let proof = json(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{proof} {said}");
    assert_eq!((&proof["requests"], &proof["wrong"], &proof["once_each"]), (&21.into(), &0.into(), &true.into()));
    assert_eq!(proof["recorded"], serde_json::json!(["github", "gitlab", "bitbucket"]));
    for status in ["200", "202", "401", "413", "415"] {
        assert!(said.contains(&format!("  {status}  ")), "{status}: {said}");
    }
    assert!(!said.contains("a secret"), "{said}");
}
