//! Subcommands: each parses, validates and calls the library.

pub mod data;
mod data_audit;
mod data_harmonise;
