//! Any request of GitHub is answered, and builds nothing that it must not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netbuild_core::intake::webhook::GitHost;

fuzz_target!(|bytes: &[u8]| netbuild_fuzz::webhook(GitHost::github(), "186853002", bytes));
