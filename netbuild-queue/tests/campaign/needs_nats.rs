//! NATS behind fault proxies, killed and started again.

use std::net::SocketAddr;

use netbuild_servers::NatsServer;

use crate::run::{Between, Server, run};

impl Server for NatsServer {
    fn addr(&self) -> SocketAddr {
        NatsServer::addr(self)
    }

    fn place(&self, proxy: SocketAddr) -> String {
        format!("nats://{proxy}")
    }

    fn kill(&mut self) {
        NatsServer::kill(self);
    }

    fn start_again(&mut self) {
        NatsServer::start_again(self).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_out_of_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = NatsServer::start(folder.path()).unwrap();
    run("nats", Between::Server(Box::new(server))).await;
}
