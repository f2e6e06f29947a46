//! Any text is either refused or a URL that holds to its promises.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netbuild_core::model::{MAX_URL_BYTES, RepositoryUrl, Transport};

fuzz_target!(|text: &str| {
    let Ok(url) = RepositoryUrl::parse(text) else { return };
    assert_eq!(url.as_str(), text, "a URL is kept as it was given");
    assert!(text.len() <= MAX_URL_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic()));
    let scheme = match url.transport() {
        Transport::Https => "https://",
        Transport::Http => "http://",
        Transport::Ssh => "ssh://",
        Transport::File => "file://",
        other => panic!("{other:?} is a transport that this target does not know"),
    };
    let (authority, path) = text.strip_prefix(scheme).and_then(|rest| rest.split_once('/')).expect("scheme and path");
    assert!(!path.is_empty() && !path.contains(['?', '#']) && !path.split('/').any(|part| part == ".."));
    assert!(!authority.starts_with('-'), "a host that is read as an option");
    match authority.rsplit_once('@') {
        Some((login, host)) => {
            assert!(url.transport() == Transport::Ssh && !login.contains(':'), "credentials");
            assert!(!login.starts_with('-') && !host.starts_with('-') && !host.is_empty());
        }
        None => assert_eq!(authority.is_empty(), url.transport() == Transport::File),
    }
    assert_eq!(url.file_path().is_some(), url.transport() == Transport::File);
    if let Some(path) = url.file_path() {
        assert!(path.starts_with('/') && !path.contains('\0') && !path.split('/').any(|part| part == ".."));
    }
    let json = serde_json::to_string(&url).expect("a URL is JSON");
    assert_eq!(serde_json::from_str::<RepositoryUrl>(&json).expect("what was written"), url);
});
