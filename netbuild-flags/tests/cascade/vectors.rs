//! The published hash: the same on every machine and in every version.

use serde::Deserialize;

use netbuild_flags::{account_bucket, project_bucket};

use crate::support::{account, key, project};

/// A line of `tests/vectors.json`.
#[derive(Debug, Deserialize)]
struct Vector {
    flag: String,
    account: String,
    project: Option<String>,
    bucket: u16,
}

#[test]
fn buckets_are_those_that_were_published() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors.json")).unwrap();
    assert!(vectors.len() >= 40);
    for vector in vectors {
        let (flag, account) = (key(&vector.flag), account(&vector.account));
        let bucket = match &vector.project {
            Some(name) => project_bucket(&flag, &account, &project(name)),
            None => account_bucket(&flag, &account),
        };
        assert_eq!(bucket, vector.bucket, "{vector:?}");
    }
}
