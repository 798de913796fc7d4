//! Commands of the binary, one file each.

pub mod forge;
