//! Shell completions and manual pages, made from the same definitions as `--help`.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{Cli, ExitStatus, ScanError};

/// Prints the completion script of `shell`.
pub(crate) fn completions(shell: Shell) -> Result<ExitStatus, ScanError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "veraray", &mut script);
    print(&script)
}

/// Prints the manual page of `veraray` or of one of its commands.
pub(crate) fn man(command: Option<&str>) -> Result<ExitStatus, ScanError> {
    let mut cli = Cli::command();
    cli.build();
    let page = match command {
        None => cli,
        Some(name) => cli
            .find_subcommand(name)
            .map(|found| found.clone().display_name(format!("veraray-{name}")))
            .ok_or_else(|| ScanError::Usage(format!("no command {name} to print a page of")))?,
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .map_err(ScanError::Stdout)?;
    print(&text)
}

/// Writes to standard output; a reader that has seen enough is no error.
pub(crate) fn print(bytes: &[u8]) -> Result<ExitStatus, ScanError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(ScanError::Stdout(error)),
        _ => Ok(ExitStatus::Clean),
    }
}
