//! Medical images from files, and data sets made of them.
//!
//! [`open`] reads DICOM, NIfTI, PNG, JPEG, TIFF, WebP and HDF5 by content at full bit depth.

mod delivery;
mod error;
mod forge;
mod frame;
mod image;
mod manifest;
mod open;

pub use crate::delivery::{Delivery, Plane};
pub use crate::error::OpenError;
pub use crate::forge::{
    Forgery, LEAST_SIDE, Parameter, Parameters, TrainingFreeFamily, UnknownFamily, forge,
    forge_image,
};
pub use crate::frame::{Display, Frame, GrayImage, Voi, VoiFunction};
pub use crate::image::{Format, ImageInfo, Photometric};
pub use crate::manifest::{
    Entry, Label, Manifest, ManifestError, Split, SplitOptions, assign_splits,
};
pub use crate::open::{
    Image, JpegComponent, OpenOptions, inflate_raw, inflate_zlib, jpeg_first_component, open,
    open_bytes, quiet_decoder_panics,
};
