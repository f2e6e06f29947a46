//! Runs a program against a PostgreSQL server of its own: PROGRAM ARGUMENTS, of which `ADDRESS` stands for the server's.

use std::process::{Command, ExitCode};

use netbuild_servers::PostgresServer;

fn main() -> ExitCode {
    let folder = std::env::var_os("SCRATCH").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder).expect("a folder can be made");
    let server = PostgresServer::start(folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let mut arguments = std::env::args().skip(1).map(|word| if word == "ADDRESS" { server.url() } else { word });
    let program = arguments.next().expect("arguments: PROGRAM ARGUMENTS");
    let status = Command::new(program).args(arguments).status().expect("the program can be run");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
