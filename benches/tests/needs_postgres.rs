//! What the benchmarks of the PostgreSQL queue measure does what it says.

/// Tests that start a server.
mod needs_postgres {
    use netbuild_benches::postgres::{Ours, Raw};
    use netbuild_benches::sqlite::messages;
    use netbuild_servers::PostgresServer;

    /// Each consume asserts that it gets as many as it asks for.
    #[tokio::test]
    async fn both_queues_go_through_the_cycle() {
        let folder = tempfile::tempdir().unwrap();
        let server = PostgresServer::start(folder.path()).unwrap();
        let (ours, raw) = (Ours::new(&server.url(), "ours").await, Raw::new(&server.url(), "raw").await);
        for from in [1, 17] {
            let batch = messages(from..from + 16);
            let bodies: Vec<Vec<u8>> = batch.iter().map(|message| message.to_wire().into_bytes()).collect();
            assert!(!ours.publish(&batch).await.is_zero() && !raw.publish(&bodies).await.is_zero());
            assert!(!ours.consume(8).await.is_zero() && !raw.consume(8).await.is_zero());
        }
    }
}
