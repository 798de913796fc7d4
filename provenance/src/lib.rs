//! Evidence that needs no neural network: DICOM digital signatures, and a transparency log of images
//! and what was done to them.

mod bounded;
pub mod log;
pub mod signature;
