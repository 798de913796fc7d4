//! Commands of the binary, one file each.

pub mod data;
mod data_import;
mod data_pack;
mod data_scan;
mod data_split;
