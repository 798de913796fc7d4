//! The `veraray` program: parses the command line, runs it and maps the result to an exit status.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use veraray_infer::{Cli, run};

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(status) => status.into(),
        Err(error) => {
            // A closed stderr must not turn an error into a panic.
            let _ = writeln!(std::io::stderr(), "veraray: error: {error}");
            ExitCode::from(2)
        }
    }
}
