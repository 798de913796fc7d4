//! Medical images from files, and data sets made of them.
//!
//! [`open`] reads DICOM, NIfTI, PNG, JPEG, TIFF, WebP and HDF5 by content at full bit depth.

mod augment;
mod error;
mod forge;
mod frame;
mod image;
mod manifest;
mod mark;
mod open;

pub use crate::augment::{Delivery, Plane};
pub use crate::error::OpenError;
pub use crate::forge::{
    Forgery, ForgeryTask, ImageStatistics, LEAST_SIDE, Original, Parameter, Parameters,
    SetDistance, TrainingFreeFamily, UnknownFamily, forge, forge_image, plan_forgeries,
    set_distance,
};
pub use crate::frame::{Display, Frame, GrayImage, Voi, VoiFunction};
pub use crate::image::{Format, ImageInfo, Photometric};
pub use crate::manifest::{
    Entry, Label, Manifest, ManifestError, Split, SplitOptions, assign_splits,
};
pub use crate::mark::{
    DicomTemplate, MarkError, Origin, encode_png, read_png_mark, strip_png_text,
};
pub use crate::open::{Image, OpenOptions, open, open_bytes, quiet_decoder_panics};
