//! Any text is either refused or a revision that git takes as a name and never as an option or a range.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netbuild_core::model::{MAX_REF_BYTES, Revision};

fuzz_target!(|text: &str| {
    let Ok(revision) = Revision::parse(text) else { return };
    let name = revision.as_str();
    assert!(!name.is_empty() && name.len() <= MAX_REF_BYTES);
    assert!(!name.starts_with('-'), "an option");
    assert!(!name.contains("..") && !name.contains("@{") && !name.contains(':'), "a range or an expression");
    assert!(name.bytes().all(|byte| byte > b' ' && byte != 0x7f), "white space or a control character");
    match &revision {
        Revision::Commit(id) => assert!(matches!(id.len(), 40 | 64) && text.eq_ignore_ascii_case(id)),
        Revision::Ref(name) => assert!(name == text && name.split('/').all(|part| !part.is_empty() && part != ".")),
        other => panic!("{other:?} is a revision that this target does not know"),
    }
    assert_eq!(Revision::parse(name), Ok(revision), "what was parsed parses again to the same");
});
