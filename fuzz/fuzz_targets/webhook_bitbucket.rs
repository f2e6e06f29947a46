//! Any request of Bitbucket is answered, and builds nothing that it must not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netbuild_core::intake::webhook::GitHost;

fuzz_target!(|bytes: &[u8]| netbuild_fuzz::webhook(
    GitHost::bitbucket(),
    "{673a6070-3421-46c9-9d48-90745f7bfe8e}",
    bytes
));
