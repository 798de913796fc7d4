//! Private keys: read, used, wiped; never shown.

use std::path::Path;

use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use zeroize::Zeroizing;

use super::algorithm::{DigestAlgorithm, widened};
use super::certificate::Certificate;
use super::error::{SignatureError, read_bounded};
use super::pem;

/// Largest key file taken.
const MAX_BYTES: u64 = 1 << 20;

/// A key that signs.
pub struct PrivateKey(Kind);

enum Kind {
    Rsa(Box<rsa::RsaPrivateKey>),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.0 {
            Kind::Rsa(_) => "RSA",
            Kind::P256(_) => "P-256",
            Kind::P384(_) => "P-384",
            Kind::P521(_) => "P-521",
        };
        write!(f, "PrivateKey({kind}, redacted)")
    }
}

impl PrivateKey {
    /// Reads a PKCS#8, PKCS#1 (RSA) or SEC 1 (elliptic curve) key, in PEM or DER.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no unencrypted key of a supported kind.
    pub fn from_file(path: &Path) -> Result<Self, SignatureError> {
        let bytes = Zeroizing::new(read_bounded(path, MAX_BYTES)?);
        Self::from_bytes(&bytes).map_err(|reason| SignatureError::Credential {
            path: path.to_owned(),
            reason: reason.to_owned(),
        })
    }

    /// Reads the contents of a key file.
    ///
    /// # Errors
    /// With what is wrong, in words that hold no part of the key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        if !text.contains("-----BEGIN ") {
            let key = Self::from_pkcs8(bytes).or_else(|| Self::from_pkcs1(bytes));
            return key
                .or_else(|| Self::from_sec1(bytes))
                .ok_or("no PEM, and no key of a supported kind in DER");
        }
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err("the key is encrypted; decrypt it first (openssl pkey)");
        }
        for (label, der) in pem::blocks(text) {
            let der = Zeroizing::new(der);
            let key = match label.as_str() {
                "PRIVATE KEY" => Self::from_pkcs8(&der),
                "RSA PRIVATE KEY" => Self::from_pkcs1(&der),
                "EC PRIVATE KEY" => Self::from_sec1(&der),
                _ => continue,
            };
            return key.ok_or("the key is broken, or not RSA, P-256, P-384 or P-521");
        }
        Err("holds no private key")
    }

    fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let rsa = rsa::RsaPrivateKey::from_pkcs8_der(der)
            .ok()
            .map(|k| Kind::Rsa(Box::new(k)));
        let p256 = || p256::SecretKey::from_pkcs8_der(der).ok().map(Kind::P256);
        let p384 = || p384::SecretKey::from_pkcs8_der(der).ok().map(Kind::P384);
        let p521 = || p521::SecretKey::from_pkcs8_der(der).ok().map(Kind::P521);
        rsa.or_else(p256).or_else(p384).or_else(p521).map(Self)
    }

    fn from_pkcs1(der: &[u8]) -> Option<Self> {
        let key = rsa::RsaPrivateKey::from_pkcs1_der(der).ok()?;
        Some(Self(Kind::Rsa(Box::new(key))))
    }

    fn from_sec1(der: &[u8]) -> Option<Self> {
        let p256 = p256::SecretKey::from_sec1_der(der).ok().map(Kind::P256);
        let p384 = || p384::SecretKey::from_sec1_der(der).ok().map(Kind::P384);
        let p521 = || p521::SecretKey::from_sec1_der(der).ok().map(Kind::P521);
        p256.or_else(p384).or_else(p521).map(Self)
    }

    /// Whether this is an RSA key.
    #[must_use]
    pub fn is_rsa(&self) -> bool {
        matches!(self.0, Kind::Rsa(_))
    }

    /// Whether the certificate is for this key.
    #[must_use]
    pub fn matches(&self, certificate: &Certificate) -> bool {
        let public = match &self.0 {
            Kind::Rsa(key) => key.to_public_key().to_public_key_der(),
            Kind::P256(key) => key.public_key().to_public_key_der(),
            Kind::P384(key) => key.public_key().to_public_key_der(),
            Kind::P521(key) => key.public_key().to_public_key_der(),
        };
        public.is_ok_and(|public| public.as_bytes() == certificate.spki_der())
    }

    /// Signs a digest: PKCS#1 v1.5 for RSA (blinded), ECDSA in DER otherwise,
    /// deterministic (RFC 6979) but on P-521.
    pub(crate) fn sign(
        &self,
        algorithm: DigestAlgorithm,
        digest: &[u8],
    ) -> Result<Vec<u8>, String> {
        use p256::ecdsa::signature::hazmat::PrehashSigner as _;
        match &self.0 {
            Kind::Rsa(key) => key
                .sign_with_rng(&mut rand_core::OsRng, algorithm.pkcs1v15(), digest)
                .map_err(|e| e.to_string()),
            Kind::P256(key) => {
                let signature: Result<p256::ecdsa::Signature, _> =
                    p256::ecdsa::SigningKey::from(key).sign_prehash(&widened(digest, 32));
                signature
                    .map(|s| s.to_der().as_bytes().to_vec())
                    .map_err(|e| e.to_string())
            }
            Kind::P384(key) => {
                let signature: Result<p384::ecdsa::Signature, _> =
                    p384::ecdsa::SigningKey::from(key).sign_prehash(&widened(digest, 48));
                signature
                    .map(|s| s.to_der().as_bytes().to_vec())
                    .map_err(|e| e.to_string())
            }
            Kind::P521(key) => {
                use p256::ecdsa::signature::hazmat::RandomizedPrehashSigner as _;
                // This curve's crate draws its nonce.
                let key = p521::ecdsa::SigningKey::from_bytes(&key.to_bytes());
                let signature: Result<p521::ecdsa::Signature, _> = key.and_then(|key| {
                    key.sign_prehash_with_rng(&mut rand_core::OsRng, &widened(digest, 66))
                });
                signature
                    .map(|s| s.to_der().as_bytes().to_vec())
                    .map_err(|e| e.to_string())
            }
        }
    }
}
