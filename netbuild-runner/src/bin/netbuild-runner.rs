//! The runner as a program: `netbuild-runner netbuild-runner FOLDER`, as executors call any program that can be a runner,
//! or `netbuild-runner FOLDER`. The job's wire text is in the folder or comes on standard
//! input.

use std::path::Path;
use std::process::ExitCode;

use netbuild_runner::runner;

fn main() -> ExitCode {
    if let Some(code) = runner::dispatch() {
        return code;
    }
    match std::env::args_os().nth(1) {
        Some(folder) => runner::main_from_stdin(Path::new(&folder)),
        None => {
            eprintln!("usage: netbuild-runner FOLDER, with the job in it or on standard input");
            ExitCode::FAILURE
        }
    }
}
