//! DICOM digital signatures (PS3.15, Annex C; PS3.3, C.12.1.1.3).
//!
//! [`verify_file`] says of every signature whether it holds, whose it is, and what it leaves open;
//! [`sign_file`] adds one. Both work on stored bytes: the file is never decoded and written again.

mod algorithm;
mod canonical;
mod certificate;
mod check;
mod coverage;
mod datetime;
mod error;
mod key;
mod limits;
mod mac;
mod modules;
mod parameters;
mod pem;
mod place;
mod policy;
mod profile;
mod purpose;
mod read;
mod report;
mod requirement;
mod revocation;
mod sign;
mod stamping;
mod store;
mod stored;
mod timestamp;
mod transcoded;
mod trust;
mod verify;
mod write;

pub use algorithm::{DigestAlgorithm, KeyError, PublicKey};
pub use certificate::Certificate;
pub use coverage::{Aspect, Coverage, ElementName, MAX_NAMED, tag_named};
pub use dicom_core::Tag;
pub use error::SignatureError;
pub use key::PrivateKey;
pub use limits::Limits;
pub use mac::{is_never_signable, is_signable, mac_bytes, mac_stream};
pub use place::Place;
pub use policy::Policy;
pub use profile::{Profile, signable_tags};
pub use purpose::Purpose;
pub use read::{body, parse, split};
pub use report::{Overall, Report, SignatureReport, Status};
pub use sign::{SignOptions, Signed, sign_bytes, sign_file};
pub use stamping::{Authority, TimestampRequest, add_timestamp};
pub use stored::{
    Element, Encoding, Item, Malformed, StoredFile, Value, VrChoice, is_encapsulated,
};
pub use timestamp::{Timestamp, TimestampStatus};
pub use transcoded::{PixelDecoder, PixelFile};
pub use trust::TrustStore;
pub use verify::{VerifyOptions, verify_bytes, verify_file};
