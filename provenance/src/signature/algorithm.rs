//! Digests, and signatures over them: one entry point for MACs, certificates, revocation lists
//! and timestamps.

use der::Decode;
use der::asn1::ObjectIdentifier;
use rsa::Pkcs1v15Sign;
use rsa::traits::PublicKeyParts;
use serde::Serialize;
use sha2::Digest as _;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

/// Longest RSA modulus taken, in bits: a larger one only burns time.
const MAX_RSA_BITS: usize = 8192;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// A digest that MAC Algorithm (0400,0015) can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// MD5: broken; verified with a warning, never made.
    Md5,
    /// SHA-1: broken; verified with a warning, never made.
    Sha1,
    /// RIPEMD-160.
    Ripemd160,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// The digest of a defined term (PS3.3, C.12.1.1.3.1.2).
    #[must_use]
    pub fn from_term(term: &str) -> Option<Self> {
        Some(match term {
            "MD5" => Self::Md5,
            "SHA1" => Self::Sha1,
            "RIPEMD160" => Self::Ripemd160,
            "SHA256" => Self::Sha256,
            "SHA384" => Self::Sha384,
            "SHA512" => Self::Sha512,
            _ => return None,
        })
    }

    /// The defined term.
    #[must_use]
    pub fn term(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Ripemd160 => "RIPEMD160",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    /// Whether collisions can be made: then the signer may have signed two images at once.
    #[must_use]
    pub fn is_weak(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1)
    }

    pub(crate) fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        [
            Self::Md5,
            Self::Sha1,
            Self::Ripemd160,
            Self::Sha256,
            Self::Sha384,
            Self::Sha512,
        ]
        .into_iter()
        .find(|digest| digest.oid() == oid)
    }

    /// The object identifier.
    pub(crate) fn oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::Md5 => "1.2.840.113549.2.5",
            Self::Sha1 => "1.3.14.3.2.26",
            Self::Ripemd160 => "1.3.36.3.2.1",
            Self::Sha256 => "2.16.840.1.101.3.4.2.1",
            Self::Sha384 => "2.16.840.1.101.3.4.2.2",
            Self::Sha512 => "2.16.840.1.101.3.4.2.3",
        })
    }

    /// The digest of `bytes`.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        let mut hasher = Hasher::new(self);
        hasher.update(bytes);
        hasher.finish()
    }

    pub(crate) fn pkcs1v15(self) -> Pkcs1v15Sign {
        match self {
            Self::Md5 => Pkcs1v15Sign::new::<md5::Md5>(),
            Self::Sha1 => Pkcs1v15Sign::new::<sha1::Sha1>(),
            Self::Ripemd160 => Pkcs1v15Sign::new::<ripemd::Ripemd160>(),
            Self::Sha256 => Pkcs1v15Sign::new::<sha2::Sha256>(),
            Self::Sha384 => Pkcs1v15Sign::new::<sha2::Sha384>(),
            Self::Sha512 => Pkcs1v15Sign::new::<sha2::Sha512>(),
        }
    }
}

/// A digest under way.
pub(crate) enum Hasher {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Ripemd160(ripemd::Ripemd160),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

impl Hasher {
    pub(crate) fn new(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Md5 => Self::Md5(md5::Md5::new()),
            DigestAlgorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            DigestAlgorithm::Ripemd160 => Self::Ripemd160(ripemd::Ripemd160::new()),
            DigestAlgorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            DigestAlgorithm::Sha384 => Self::Sha384(sha2::Sha384::new()),
            DigestAlgorithm::Sha512 => Self::Sha512(sha2::Sha512::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(h) => h.update(bytes),
            Self::Sha1(h) => h.update(bytes),
            Self::Ripemd160(h) => h.update(bytes),
            Self::Sha256(h) => h.update(bytes),
            Self::Sha384(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(h) => h.finalize().to_vec(),
            Self::Sha1(h) => h.finalize().to_vec(),
            Self::Ripemd160(h) => h.finalize().to_vec(),
            Self::Sha256(h) => h.finalize().to_vec(),
            Self::Sha384(h) => h.finalize().to_vec(),
            Self::Sha512(h) => h.finalize().to_vec(),
        }
    }
}

/// Why a signature could not be checked, as opposed to not holding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key is not RSA, P-256, P-384 or P-521.
    #[error("key algorithm {0} is not supported")]
    Unsupported(String),
    /// The key is broken or out of bounds.
    #[error("the public key cannot be used: {0}")]
    Unusable(String),
}

/// A public key that signatures are checked with.
#[derive(Debug, Clone)]
pub enum PublicKey {
    /// RSA, PKCS#1 v1.5 (PS3.15, C.1).
    Rsa(rsa::RsaPublicKey),
    /// ECDSA on P-256.
    P256(p256::ecdsa::VerifyingKey),
    /// ECDSA on P-384.
    P384(p384::ecdsa::VerifyingKey),
    /// ECDSA on P-521.
    P521(P521Key),
}

/// A key on P-521, of which the curve's crate prints nothing.
#[derive(Clone)]
pub struct P521Key(p521::ecdsa::VerifyingKey);

impl std::fmt::Debug for P521Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("P521Key")
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).
    ///
    /// # Errors
    /// When the algorithm is not supported or the key is broken.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let spki = SubjectPublicKeyInfoOwned::from_der(der)
            .map_err(|e| KeyError::Unusable(e.to_string()))?;
        Self::from_spki(&spki)
    }

    pub(crate) fn from_spki(spki: &SubjectPublicKeyInfoOwned) -> Result<Self, KeyError> {
        let unusable = |e: &dyn std::fmt::Display| KeyError::Unusable(e.to_string());
        let bytes = spki.subject_public_key.raw_bytes();
        match spki.algorithm.oid {
            RSA => {
                let public = rsa::pkcs1::RsaPublicKey::from_der(bytes).map_err(|e| unusable(&e))?;
                if public.modulus.as_bytes().len() * 8 > MAX_RSA_BITS {
                    return Err(KeyError::Unusable(format!(
                        "modulus longer than {MAX_RSA_BITS} bits"
                    )));
                }
                let key = rsa::RsaPublicKey::new_with_max_size(
                    rsa::BigUint::from_bytes_be(public.modulus.as_bytes()),
                    rsa::BigUint::from_bytes_be(public.public_exponent.as_bytes()),
                    MAX_RSA_BITS,
                )
                .map_err(|e| unusable(&e))?;
                Ok(Self::Rsa(key))
            }
            EC => {
                let curve = spki
                    .algorithm
                    .parameters
                    .as_ref()
                    .and_then(|p| p.decode_as::<ObjectIdentifier>().ok());
                match curve {
                    Some(P256) => p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                        .map(Self::P256)
                        .map_err(|e| unusable(&e)),
                    Some(P384) => p384::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                        .map(Self::P384)
                        .map_err(|e| unusable(&e)),
                    Some(P521) => p521::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                        .map(|key| Self::P521(P521Key(key)))
                        .map_err(|e| unusable(&e)),
                    Some(curve) => Err(KeyError::Unsupported(format!("elliptic curve {curve}"))),
                    None => Err(KeyError::Unsupported(
                        "elliptic curve without a name".to_owned(),
                    )),
                }
            }
            oid => Err(KeyError::Unsupported(oid.to_string())),
        }
    }

    /// Whether this is an RSA key.
    #[must_use]
    pub fn is_rsa(&self) -> bool {
        matches!(self, Self::Rsa(_))
    }

    /// Name and size, for reports.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Rsa(key) => format!("RSA-{}", key.n().bits()),
            Self::P256(_) => "ECDSA-P256".to_owned(),
            Self::P384(_) => "ECDSA-P384".to_owned(),
            Self::P521(_) => "ECDSA-P521".to_owned(),
        }
    }

    /// Whether the key is shorter than is taken to be safe today.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        matches!(self, Self::Rsa(key) if key.n().bits() < 2048)
    }

    /// Whether the key is so short that others can find its private half.
    #[must_use]
    pub fn is_breakable(&self) -> bool {
        matches!(self, Self::Rsa(key) if key.n().bits() < 1024)
    }

    /// Whether `signature` is this key's signature over a message with this digest.
    #[must_use]
    pub fn verify_digest(
        &self,
        algorithm: DigestAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> bool {
        use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
        match self {
            Self::Rsa(key) => key.verify(algorithm.pkcs1v15(), digest, signature).is_ok(),
            Self::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|s| key.verify_prehash(&widened(digest, 32), &s).is_ok()),
            Self::P384(key) => p384::ecdsa::Signature::from_der(signature)
                .is_ok_and(|s| key.verify_prehash(&widened(digest, 48), &s).is_ok()),
            Self::P521(key) => p521::ecdsa::Signature::from_der(signature)
                .is_ok_and(|s| key.0.verify_prehash(&widened(digest, 66), &s).is_ok()),
        }
    }

    /// Like [`Self::verify_digest`], over the message itself.
    #[must_use]
    pub fn verify_message(
        &self,
        algorithm: DigestAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        self.verify_digest(algorithm, &algorithm.of(message), signature)
    }
}

/// A digest shorter than the curve's order is a smaller number, not an error (SEC 1, 4.1.4).
pub(crate) fn widened(digest: &[u8], width: usize) -> Vec<u8> {
    let mut out = vec![0; width.saturating_sub(digest.len())];
    out.extend_from_slice(digest);
    out
}

/// An ECDSA signature without the byte that fills it to even length: its DER says how long it is.
pub(crate) fn without_padding<'a>(key: &PublicKey, signature: &'a [u8]) -> &'a [u8] {
    match signature {
        [body @ .., 0] if !key.is_rsa() && is_one_der_value(body) => body,
        _ => signature,
    }
}

fn is_one_der_value(bytes: &[u8]) -> bool {
    der::asn1::AnyRef::from_der(bytes).is_ok()
}

/// Checks a signature whose algorithm an AlgorithmIdentifier names (certificates, lists, tokens).
///
/// # Errors
/// When algorithm and key do not fit each other, or the algorithm is not supported.
pub(crate) fn verify_identified(
    key: &PublicKey,
    algorithm: &AlgorithmIdentifierOwned,
    fallback: Option<DigestAlgorithm>,
    message: &[u8],
    signature: &[u8],
) -> Result<(bool, DigestAlgorithm), KeyError> {
    let name = algorithm.oid.to_string();
    let (rsa, digest) = match name.as_str() {
        "1.2.840.113549.1.1.4" => (true, Some(DigestAlgorithm::Md5)),
        "1.2.840.113549.1.1.5" => (true, Some(DigestAlgorithm::Sha1)),
        "1.2.840.113549.1.1.11" => (true, Some(DigestAlgorithm::Sha256)),
        "1.2.840.113549.1.1.12" => (true, Some(DigestAlgorithm::Sha384)),
        "1.2.840.113549.1.1.13" => (true, Some(DigestAlgorithm::Sha512)),
        "1.2.840.113549.1.1.1" => (true, fallback),
        "1.2.840.10045.4.1" => (false, Some(DigestAlgorithm::Sha1)),
        "1.2.840.10045.4.3.2" => (false, Some(DigestAlgorithm::Sha256)),
        "1.2.840.10045.4.3.3" => (false, Some(DigestAlgorithm::Sha384)),
        "1.2.840.10045.4.3.4" => (false, Some(DigestAlgorithm::Sha512)),
        _ => (false, None),
    };
    let digest = digest.ok_or(KeyError::Unsupported(name))?;
    if rsa != key.is_rsa() {
        return Err(KeyError::Unusable(
            "key and signature algorithm differ".to_owned(),
        ));
    }
    Ok((key.verify_message(digest, message, signature), digest))
}
