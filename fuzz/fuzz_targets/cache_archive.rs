//! Any bytes are either refused or an archive within its bounds, whether they come as they are or compressed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netbuild_runner::runner::cache::{Bounds, inspect};

const BOUNDS: Bounds = Bounds { files: 100, bytes: 1 << 16 };

fuzz_target!(|bytes: &[u8]| {
    look(bytes);
    // Bytes that are no compressed frame never come as far as the archive's own reader.
    look(&zstd::encode_all(bytes, 1).expect("memory takes any bytes"));
});

fn look(archive: &[u8]) {
    if let Ok((_, contents)) = inspect(archive, BOUNDS) {
        assert!(contents.files <= BOUNDS.files && contents.bytes <= BOUNDS.bytes, "{contents:?} is over its bounds");
    }
}
