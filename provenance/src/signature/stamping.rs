//! Asking an authority for a certified timestamp, and putting it into a signature (RFC 3161; PS3.3,
//! C.12.1.1.3.1.3). How request and reply travel is the caller's affair: nothing here uses a network.

use std::path::Path;

use der::asn1::{Int, OctetString, Uint};
use der::{Encode, Sequence};
use dicom_core::VR;
use rand_core::RngCore as _;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::algorithm::{DigestAlgorithm, without_padding};
use super::certificate::Certificate;
use super::error::{SignatureError, read_bounded};
use super::mac;
use super::place::Place;
use super::sign::{assemble, text};
use super::store;
use super::stored::{Element, Item, Malformed, Value, VrChoice};
use super::timestamp::{self, MessageImprint, sequence_fields};
use super::{Limits, read};

/// The digest that requests are made with.
const DIGEST: DigestAlgorithm = DigestAlgorithm::Sha256;
/// Largest reply taken.
const MAX_REPLY: u64 = 256 << 10;
/// Nesting of items searched for the signature that a token is for.
const MAX_DEPTH: usize = 48;

/// TimeStampReq (RFC 3161, 2.4.1) with what we fill in.
#[derive(Sequence)]
struct Request {
    version: u8,
    imprint: MessageImprint,
    nonce: Uint,
    certificates: bool,
}

/// A request for a timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampRequest {
    /// Its DER, for a file that other programs call `.tsq`.
    pub der: Vec<u8>,
    nonce: Vec<u8>,
}

impl TimestampRequest {
    /// A request for the value of Signature (0400,0120), without the byte that fills it up.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn new(signature: &[u8]) -> Result<Self, String> {
        let mut nonce = [0; 16];
        rand_core::OsRng.fill_bytes(&mut nonce);
        // Positive, and of full length in DER.
        nonce[0] = nonce[0] & 0x7F | 0x40;
        let encode = || {
            Request {
                version: 1,
                imprint: MessageImprint {
                    algorithm: AlgorithmIdentifierOwned {
                        oid: DIGEST.oid(),
                        parameters: None,
                    },
                    digest: OctetString::new(DIGEST.of(signature))?,
                },
                nonce: Uint::new(&nonce)?,
                // So that the token can be checked without the authority's certificate at hand.
                certificates: true,
            }
            .to_der()
        };
        Ok(Self {
            der: encode().map_err(|e| e.to_string())?,
            nonce: nonce.to_vec(),
        })
    }

    /// The token of the reply to this request.
    ///
    /// # Errors
    /// When the authority refused, or answered something else.
    pub(crate) fn token(&self, reply: &[u8], signature: &[u8]) -> Result<Vec<u8>, String> {
        let token = token(reply)?;
        timestamp::belongs(&token, signature)?;
        if timestamp::nonce(&token)? != Some(self.nonce.clone()) {
            return Err("the reply is to another request: its nonce differs".to_owned());
        }
        Ok(token)
    }
}

/// The token of a TimeStampResp (RFC 3161, 2.4.2), or of a bare token.
fn token(reply: &[u8]) -> Result<Vec<u8>, String> {
    let broken = |e: der::Error| format!("no timestamp reply: {e}");
    let fields = sequence_fields(reply).map_err(broken)?;
    let first = fields.first().ok_or("an empty timestamp reply")?;
    if der::Tagged::tag(first) == der::Tag::ObjectIdentifier {
        return Ok(reply.to_vec());
    }
    let status = sequence_fields(&first.to_der().map_err(broken)?).map_err(broken)?;
    let code: Int = status
        .first()
        .ok_or("a timestamp reply without status")?
        .decode_as()
        .map_err(broken)?;
    // 0 granted, 1 granted with modifications.
    if !matches!(code.as_bytes(), [0 | 1]) {
        return Err(format!(
            "the authority refused: status {}",
            code.as_bytes().first().copied().unwrap_or_default()
        ));
    }
    let token = fields.get(1).ok_or("a timestamp reply without a token")?;
    token.to_der().map_err(broken)
}

/// Asks an authority: takes the DER of a request and gives the DER of the reply, or what went wrong.
pub struct Authority(Box<Ask>);

type Ask = dyn Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync;

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// An authority that is asked by calling `ask`.
    #[must_use]
    pub fn new(ask: impl Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync + 'static) -> Self {
        Self(Box::new(ask))
    }

    pub(crate) fn stamp(&self, signature: &[u8]) -> Result<Vec<u8>, String> {
        let request = TimestampRequest::new(signature)?;
        request.token(&(self.0)(&request.der)?, signature)
    }
}

/// Puts a token into a signature item.
pub(crate) fn put(signature: &mut Item<'_>, token: Vec<u8>) {
    signature.put(text(mac::TIMESTAMP_TYPE, VR::CS, "CMS_TSP"));
    signature.put(Element::plain(mac::TIMESTAMP, VR::OB, token));
}

/// Puts the timestamp that an authority replied with into the signature it is for, and writes the
/// result to `output`; `path` itself is replaced only with `in_place`. The MAC does not cover
/// timestamps, so every signature stays as valid as it was.
///
/// # Errors
/// When the reply grants nothing, or no signature of the file is the one it is for.
pub fn add_timestamp(
    path: &Path,
    reply: &Path,
    output: &Path,
    in_place: bool,
) -> Result<(), SignatureError> {
    let replace = store::may_write(path, output, in_place)?;
    let refuse = |reason| SignatureError::Credential {
        path: reply.to_owned(),
        reason,
    };
    let malformed = |e: Malformed| SignatureError::Malformed {
        path: path.to_owned(),
        reason: e.to_string(),
    };
    let limits = Limits::default();
    let token = token(&read_bounded(reply, MAX_REPLY)?).map_err(refuse)?;
    let bytes = read_bounded(path, limits.file_bytes)?;
    let (syntax, at) = read::split(&bytes).map_err(malformed)?;
    let body = read::body(&bytes, &syntax, at, limits.inflated_bytes).map_err(malformed)?;
    let mut file =
        read::parse(&syntax, &body, VrChoice::default(), limits.nodes).map_err(malformed)?;
    let steps = find(&file.dataset, &token, 0)
        .ok_or_else(|| refuse(format!("is for no signature of {}", path.display())))?;
    // The steps were just walked.
    if let Some(signature) = Place::new(steps).open(&mut file.dataset) {
        put(signature, token);
    }
    let signed = assemble(path, &bytes[..at], &syntax, &body, &file.dataset)?;
    store::write(path, &signed, output, replace)
}

/// The way to the signature item that a token is for.
fn find(item: &Item<'_>, token: &[u8], depth: usize) -> Option<Vec<(dicom_core::Tag, usize)>> {
    if depth > MAX_DEPTH {
        return None;
    }
    for element in &item.elements {
        let Value::Items(items) = &element.value else {
            continue;
        };
        for (index, inner) in items.iter().enumerate() {
            let own = element.tag == mac::DIGITAL_SIGNATURES && is_for(inner, token);
            let below = if own {
                Some(Vec::new())
            } else {
                find(inner, token, depth + 1)
            };
            if let Some(below) = below {
                return Some([vec![(element.tag, index)], below].concat());
            }
        }
    }
    None
}

fn is_for(signature: &Item<'_>, token: &[u8]) -> bool {
    let Some(stored) = signature.bytes(mac::SIGNATURE) else {
        return false;
    };
    let key = signature
        .bytes(mac::CERTIFICATE)
        .and_then(|der| Certificate::from_der(der).ok()?.key().ok());
    key.is_some_and(|key| timestamp::belongs(token, without_padding(&key, stored)).is_ok())
}
