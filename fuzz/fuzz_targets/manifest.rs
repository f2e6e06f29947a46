//! Any bytes are either refused or a manifest whose paths stay in their folder and whose digest is one.
#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use netbuild_core::model::Manifest;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::from_bytes(bytes) else { return };
    for path in manifest.files.keys() {
        let inside = Path::new(path.as_str()).components().all(|part| matches!(part, Component::Normal(_)));
        assert!(inside && !path.as_str().contains(['\\', '\0']), "{path} leaves the folder");
    }
    // A sum over sizes that somebody chose must not overflow.
    let _bytes = manifest.total_bytes();
    let again = Manifest::from_bytes(&manifest.to_bytes()).expect("what was written");
    assert_eq!(again, manifest);
    assert_eq!(again.digest(), manifest.digest(), "one deploy has one address");
});
