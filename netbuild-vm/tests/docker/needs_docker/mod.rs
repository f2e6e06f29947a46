//! Each test starts hosts of its own: see `netbuild_servers::DockerDaemon`.

mod bench;
mod ends;
mod faults;
mod suite;
