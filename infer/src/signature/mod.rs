//! DICOM digital signatures (PS3.15 Annex C) in commands: `veraray sign`, `veraray verify`, and what
//! `veraray scan` says of them.

mod evidence;
mod pixels;
mod sign;
mod verify;

pub(crate) use evidence::Evidence;
pub use sign::{DigestArg, SignArgs};
pub(crate) use sign::{SIGN_EXAMPLES, sign};
pub use verify::{ReportFormat, VerifySignatureArgs};
pub(crate) use verify::{VERIFY_EXAMPLES, verify};
