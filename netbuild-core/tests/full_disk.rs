//! The disk fills up under the stores that keep files.

#![expect(clippy::unwrap_used, reason = "this is a test")]
#![cfg(target_os = "linux")]

mod needs_root {
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use netbuild_core::log::FileLogStore;
    use netbuild_core::model::{AttemptId, AttemptNumber};
    use netbuild_core::port::LogStore;
    use netbuild_core::testkit::LoopDisk;
    use netbuild_core::testkit::fixtures::build;

    fn fill(disk: &Path) {
        let mut file = fs::File::create(disk.join("filler")).unwrap();
        for piece in [&[0; 4096][..], &[0]] {
            while file.write_all(piece).is_ok() {}
        }
    }

    fn attempt(n: u64) -> AttemptId {
        build("acme", "site", n).key().attempt(AttemptNumber::new(1))
    }

    async fn text(store: &FileLogStore, attempt: &AttemptId) -> String {
        String::from_utf8(store.read(attempt, 0, 4 << 20).await.unwrap().bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_append_that_finds_no_room_says_so_and_is_repeated_once_there_is_some() {
        let disk = LoopDisk::new(4 << 20).unwrap();
        let store = FileLogStore::new(disk.path().join("logs"), 1 << 20);
        let (known, new) = (attempt(1), attempt(2));
        let line = "a line of a log\n".repeat(100);
        let mut acked = String::new();
        acked.push_str(&line);
        let mut next = store.append(&known, 0, line.as_bytes()).await.unwrap();
        fill(&disk.path());
        let error = loop {
            // The last block of the file has room yet.
            match store.append(&known, next, line.as_bytes()).await {
                Ok(offset) => next = offset,
                Err(error) => break error,
            }
            acked.push_str(&line);
        };
        let error = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert!(error.contains("No space left on device"), "{error}");
        store.append(&new, 0, line.as_bytes()).await.unwrap_err();
        assert!(text(&store, &known).await.starts_with(&acked), "what was answered can be read");

        fs::remove_file(disk.path().join("filler")).unwrap();
        store.append(&known, next, line.as_bytes()).await.unwrap();
        acked.push_str(&line);
        assert_eq!(text(&store, &known).await, acked, "no gap, nothing twice");
        store.append(&new, 0, line.as_bytes()).await.unwrap();
        assert_eq!(text(&store, &new).await, line);
    }
}
