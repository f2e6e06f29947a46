//! The queue over RabbitMQ, whose broker is killed.

use std::net::SocketAddr;

use netbuild_servers::RabbitmqServer;

use crate::run::{Between, Server, run};

impl Server for RabbitmqServer {
    fn addr(&self) -> SocketAddr {
        RabbitmqServer::addr(self)
    }

    fn place(&self, proxy: SocketAddr) -> String {
        Self::url_at(proxy)
    }

    fn kill(&mut self) {
        RabbitmqServer::kill(self);
    }

    fn start_again(&mut self) {
        RabbitmqServer::start_again(self).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_out_of_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = RabbitmqServer::start(folder.path()).unwrap();
    run("amqp", Between::Server(Box::new(server))).await;
}
