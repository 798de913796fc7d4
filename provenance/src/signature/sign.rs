//! Signing a data set or item (PS3.15, Annex C). Nothing else in the file changes but padding that
//! means nothing (see `canonical`).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use dicom_core::{Tag, VR};
use rand_core::RngCore as _;

use super::algorithm::{DigestAlgorithm, Hasher};
use super::canonical;
use super::certificate::Certificate;
use super::coverage::ElementName;
use super::datetime;
use super::error::{SignatureError, read_bounded};
use super::key::PrivateKey;
use super::limits::Limits;
use super::mac::{self, is_signable, mac_stream};
use super::pem;
use super::place::Place;
use super::profile::{Profile, signable_tags};
use super::purpose::Purpose;
use super::read;
use super::stamping::{self, Authority};
use super::store;
use super::stored::{Element, Encoding, Item, Malformed, Value, VrChoice};
use super::write;

const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const MAX_CERTIFICATE_FILE: u64 = 1 << 20;

/// What to sign with, and what.
#[derive(Debug)]
pub struct SignOptions {
    /// The key; it must belong to the certificate.
    pub key: PrivateKey,
    /// The certificate that goes into the file.
    pub certificate: Certificate,
    /// The profile whose rules the signature keeps.
    pub profile: Profile,
    /// Digest of the MAC; MD5 and SHA-1 are refused.
    pub digest: DigestAlgorithm,
    /// Digital Signature Purpose Code.
    pub purpose: Option<Purpose>,
    /// Elements to sign beyond those the profile wants. Empty: all that can be signed for the
    /// profiles `None` and `Base`, none for the others.
    pub tags: Vec<Tag>,
    /// The item to sign; the data set by default.
    pub place: Place,
    /// Whether the input may be replaced.
    pub in_place: bool,
    /// Time of signing as Unix time; now, when absent.
    pub at_time: Option<i64>,
    /// Who certifies the time, if anyone.
    pub authority: Option<Authority>,
}

impl SignOptions {
    /// Options with the defaults: no profile, SHA-256, the whole data set, now.
    ///
    /// # Errors
    /// When a file cannot be read, or key and certificate do not belong together.
    pub fn from_files(key: &Path, certificate: &Path) -> Result<Self, SignatureError> {
        let unusable = |reason| SignatureError::Credential {
            path: certificate.to_owned(),
            reason,
        };
        let private = PrivateKey::from_file(key)?;
        let bytes = read_bounded(certificate, MAX_CERTIFICATE_FILE)?;
        let ders = pem::values(&bytes, &["CERTIFICATE"]);
        let der = ders
            .first()
            .ok_or_else(|| unusable("holds no certificate".to_owned()))?;
        let parsed = Certificate::from_der(der).map_err(unusable)?;
        if !private.matches(&parsed) {
            return Err(unusable(format!("is not for the key in {}", key.display())));
        }
        Ok(Self {
            key: private,
            certificate: parsed,
            profile: Profile::None,
            digest: DigestAlgorithm::Sha256,
            purpose: None,
            tags: Vec::new(),
            place: Place::default(),
            in_place: false,
            at_time: None,
            authority: None,
        })
    }
}

/// What was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Where the signed file is.
    pub path: PathBuf,
    /// Digital Signature UID.
    pub uid: String,
    /// Elements the signature names.
    pub signed: Vec<Tag>,
    /// The stream the MAC was computed over, for comparing with other programs.
    pub stream_length: u64,
    /// The value of Signature (0400,0120), which a timestamp is over.
    pub value: Vec<u8>,
}

/// Signs `path` and writes the result to `output`.
///
/// The result appears under its name only when it is complete, readable by its owner alone. An
/// existing file is not replaced, unless it is the input and `in_place` is set.
///
/// # Errors
/// When the input cannot be read, cannot be signed as asked, or the output cannot be written.
pub fn sign_file(
    path: &Path,
    options: &SignOptions,
    output: &Path,
) -> Result<Signed, SignatureError> {
    let replace = store::may_write(path, output, options.in_place)?;
    let bytes = read_bounded(path, Limits::default().file_bytes)?;
    let (signed_bytes, mut signed) = sign_bytes(path, &bytes, options)?;
    store::write(path, &signed_bytes, output, replace)?;
    signed.path = output.to_owned();
    Ok(signed)
}

/// Signs a file held in memory; `path` is for messages.
///
/// # Errors
/// As [`sign_file`].
pub fn sign_bytes(
    path: &Path,
    bytes: &[u8],
    options: &SignOptions,
) -> Result<(Vec<u8>, Signed), SignatureError> {
    let malformed = |e: Malformed| SignatureError::Malformed {
        path: path.to_owned(),
        reason: e.to_string(),
    };
    let refuse = |reason: String| SignatureError::Unsignable {
        path: path.to_owned(),
        reason,
    };
    let (syntax, at) = read::split(bytes).map_err(malformed)?;
    let limits = Limits::default();
    let body = read::body(bytes, &syntax, at, limits.inflated_bytes).map_err(malformed)?;
    let mut file =
        read::parse(&syntax, &body, VrChoice::default(), limits.nodes).map_err(malformed)?;
    allowed(options).map_err(refuse)?;
    let gone = || refuse("there is no such item".to_owned());
    let tags =
        choose(options.place.find(&file.dataset).ok_or_else(gone)?, options).map_err(refuse)?;
    canonical::trim_where(
        options.place.open(&mut file.dataset).ok_or_else(gone)?,
        |tag| tags.contains(&tag),
    );
    let container = options.place.find(&file.dataset).ok_or_else(gone)?;
    let mac_syntax = if tags.iter().any(|&t| {
        matches!(
            container.get(t).map(|e| &e.value),
            Some(Value::Fragments(_))
        )
    }) {
        syntax.as_str()
    } else {
        EXPLICIT_LITTLE
    };
    let id = free_id(container).ok_or_else(|| refuse("no MAC ID number is free".to_owned()))?;
    let uid = new_uid();
    let time = options.at_time.unwrap_or_else(datetime::now);
    let (from, until) = options.certificate.validity();
    if time < from || time > until {
        return Err(refuse(
            "the certificate is not valid at the time of signing".to_owned(),
        ));
    }
    let time = datetime::format(time)
        .ok_or_else(|| refuse("the time of signing is out of range".to_owned()))?;

    let mut signature = Item::default();
    signature.put(Element::plain(
        mac::MAC_ID,
        VR::US,
        id.to_le_bytes().to_vec(),
    ));
    signature.put(text(mac::SIGNATURE_UID, VR::UI, &uid));
    signature.put(text(mac::SIGNATURE_TIME, VR::DT, &time));
    signature.put(text(mac::CERTIFICATE_TYPE, VR::CS, "X509_1993_SIG"));
    signature.put(Element::plain(
        mac::CERTIFICATE,
        VR::OB,
        even(options.certificate.der().to_vec()),
    ));
    if let Some(purpose) = options.purpose {
        signature.put(Element::sequence(mac::PURPOSE, vec![purpose.item()]));
    }
    let mut hasher = Hasher::new(options.digest);
    let mut stream_length = 0;
    mac_stream(container, &tags, &signature, &mut |bytes| {
        hasher.update(bytes);
        stream_length += bytes.len() as u64;
    });
    let value = options
        .key
        .sign(options.digest, &hasher.finish())
        .map_err(refuse)?;
    signature.put(Element::plain(mac::SIGNATURE, VR::OB, even(value.clone())));
    if let Some(authority) = &options.authority {
        let token = authority.stamp(&value);
        let token = token.map_err(|e| refuse(format!("no timestamp: {e}")))?;
        stamping::put(&mut signature, even(token));
    }

    let mut parameters = Item::default();
    parameters.put(Element::plain(
        mac::MAC_ID,
        VR::US,
        id.to_le_bytes().to_vec(),
    ));
    parameters.put(text(mac::MAC_TRANSFER_SYNTAX, VR::UI, mac_syntax));
    parameters.put(text(mac::MAC_ALGORITHM, VR::CS, options.digest.term()));
    parameters.put(Element::plain(mac::ELEMENTS_SIGNED, VR::AT, list(&tags)));

    let item = options.place.open(&mut file.dataset).ok_or_else(gone)?;
    append(item, mac::MAC_PARAMETERS, parameters);
    append(item, mac::DIGITAL_SIGNATURES, signature);
    let out = assemble(path, &bytes[..at], &syntax, &body, &file.dataset)?;
    Ok((
        out,
        Signed {
            path: path.to_owned(),
            uid,
            signed: tags,
            stream_length,
            value,
        },
    ))
}

/// A file from its head as it was, and a data set that was changed.
pub(crate) fn assemble(
    path: &Path,
    head: &[u8],
    syntax: &str,
    body: &[u8],
    changed: &Item<'_>,
) -> Result<Vec<u8>, SignatureError> {
    let mut out = head.to_vec();
    let mut dataset = Vec::new();
    write::dataset(changed, Encoding::detect(syntax, body), &mut dataset);
    if syntax != DEFLATED {
        out.extend(dataset);
        return Ok(out);
    }
    flate2::read::DeflateEncoder::new(dataset.as_slice(), flate2::Compression::default())
        .read_to_end(&mut out)
        .map_err(|source| SignatureError::Write {
            path: path.to_owned(),
            source,
        })?;
    if out.len() % 2 == 1 {
        out.push(0);
    }
    Ok(out)
}

fn allowed(options: &SignOptions) -> Result<(), String> {
    if !options.key.matches(&options.certificate) {
        return Err("the certificate is not for this key".to_owned());
    }
    if options.digest.is_weak() {
        return Err(format!(
            "{} is broken and not used for new signatures",
            options.digest.term()
        ));
    }
    if let Some(problem) = options.certificate.cannot_sign() {
        return Err(problem);
    }
    if options.profile != Profile::None && !options.key.is_rsa() {
        return Err(format!(
            "the {} profile wants an RSA key (PS3.15, Annex C)",
            options.profile
        ));
    }
    let whole = matches!(options.profile, Profile::Creator | Profile::Authorization);
    if whole && !options.place.is_dataset() {
        return Err(format!(
            "the {} profile signs whole data sets, not items",
            options.profile
        ));
    }
    Ok(())
}

/// The tags to sign, in order, each present and signable.
fn choose(container: &Item<'_>, options: &SignOptions) -> Result<Vec<Tag>, String> {
    if let Some(tag) = container.duplicate() {
        return Err(format!("{} occurs twice", ElementName::of(tag)));
    }
    let image = matches!(options.profile, Profile::Creator | Profile::Authorization);
    let mut tags = options.profile.tags(container);
    if options.tags.is_empty() && !image {
        tags.extend(signable_tags(container));
    }
    tags.extend(&options.tags);
    tags.sort_unstable();
    tags.dedup();
    for &tag in &tags {
        match container.get(tag) {
            None => return Err(format!("{} is not there", ElementName::of(tag))),
            Some(element) if !is_signable(element) => {
                return Err(format!(
                    "{} cannot be signed as it is stored",
                    ElementName::of(tag)
                ));
            }
            Some(_) => {}
        }
    }
    if tags.is_empty() {
        return Err("nothing in it can be signed".to_owned());
    }
    match options.profile.missing(container, &tags).first() {
        Some(tag) => Err(format!(
            "the {} profile wants {}",
            options.profile,
            ElementName::of(*tag)
        )),
        None => Ok(tags),
    }
}

/// A text element, filled to even length.
pub(crate) fn text<'a>(tag: Tag, vr: VR, value: &str) -> Element<'a> {
    let mut bytes = value.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(write::padding(vr));
    }
    Element::plain(tag, vr, bytes)
}

fn even(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

fn list(tags: &[Tag]) -> Vec<u8> {
    tags.iter()
        .flat_map(|t| [t.group().to_le_bytes(), t.element().to_le_bytes()].concat())
        .collect()
}

/// A MAC ID that neither a signature nor a MAC Parameters item uses.
fn free_id(container: &Item<'_>) -> Option<u16> {
    let used: std::collections::HashSet<u16> = [mac::MAC_PARAMETERS, mac::DIGITAL_SIGNATURES]
        .into_iter()
        .flat_map(|tag| container.items(tag))
        .filter_map(|item| item.u16(mac::MAC_ID))
        .collect();
    (0..u16::MAX).find(|id| !used.contains(id))
}

/// A UID from a random UUID (PS3.5, B.2).
fn new_uid() -> String {
    let mut bytes = [0; 16];
    rand_core::OsRng.fill_bytes(&mut bytes);
    bytes[6] = (bytes[6] & 0x0F) | 0x40;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

/// Appends an item to a sequence, which is made when absent; items already there keep their bytes.
fn append<'a>(container: &mut Item<'a>, tag: Tag, item: Item<'a>) {
    match container.elements.iter_mut().find(|e| e.tag == tag) {
        Some(Element {
            value: Value::Items(items),
            raw,
            ..
        }) => {
            items.push(item);
            *raw = &[];
        }
        _ => container.put(Element::sequence(tag, vec![item])),
    }
    container.elements.retain(|e| e.tag != Tag(tag.group(), 0));
}
