//! Medical images from files, and data sets made of them.
//!
//! [`open`] reads DICOM, NIfTI, PNG, JPEG, TIFF, WebP and HDF5 by content at full bit depth.

pub mod audit;
mod augment;
mod error;
mod frame;
pub mod harmonise;
mod image;
mod manifest;
mod open;

pub use crate::augment::{Delivery, Plane};
pub use crate::error::OpenError;
pub use crate::frame::{Display, Frame, GrayImage, Voi, VoiFunction};
pub use crate::image::{Format, ImageInfo, Photometric};
pub use crate::manifest::{
    Entry, Label, Manifest, ManifestError, Split, SplitOptions, assign_splits,
};
pub use crate::open::{Image, OpenOptions, open, open_bytes, quiet_decoder_panics};
