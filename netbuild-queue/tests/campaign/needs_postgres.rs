//! PostgreSQL behind fault proxies, killed and started again.

use std::net::SocketAddr;

use netbuild_servers::PostgresServer;

use crate::run::{Between, Server, run};

impl Server for PostgresServer {
    fn addr(&self) -> SocketAddr {
        PostgresServer::addr(self)
    }

    fn place(&self, proxy: SocketAddr) -> String {
        Self::url_at(proxy)
    }

    fn kill(&mut self) {
        PostgresServer::kill(self);
    }

    fn start_again(&mut self) {
        PostgresServer::start_again(self).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_out_of_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start(folder.path()).unwrap();
    run("postgres", Between::Server(Box::new(server))).await;
}
