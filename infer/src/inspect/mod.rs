//! `veraray inspect`: everything that can be known of a file without the network.

mod args;
mod command;
mod findings;
mod report;

pub(crate) use args::INSPECT_EXAMPLES;
pub use args::{InspectArgs, InspectFormat, SeverityArg};
pub(crate) use command::inspect;

use crate::Finding;

/// What the headers of a file say, as findings of a scan record. Never fails, costs microseconds.
pub(crate) fn cheap(bytes: &[u8]) -> Vec<Finding> {
    let notes = findings::cheap(bytes);
    notes
        .into_iter()
        .map(|note| Finding {
            code: note.code.id,
            severity: note.code.severity.word(),
            message: note.message,
        })
        .collect()
}
