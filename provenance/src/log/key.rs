//! Ed25519 keys (RFC 8032) in the text forms of C2SP signed-note.
//!
//! A log's public key, its *vkey*, is `NAME+ID+BASE64`; the name is the log's origin. Witnesses have
//! keys of type 0x04 (C2SP tlog-cosignature), logs of type 0x01. The private form is the one that Go's
//! `sumdb/note` reads and writes: `PRIVATE+KEY+NAME+ID+BASE64`.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use der::asn1::ObjectIdentifier;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use signed_note::{Signer, Verifier, is_key_name_valid, key_id};
use zeroize::Zeroizing;

use super::error::{LogError, Result};
use super::store::read_limited;
use super::witness::{COSIGNATURE_LEN, cosigned_message};

/// No key text this crate writes comes near this length.
const MAX_KEY: usize = 1024;
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Who a key belongs to, which decides what its signatures say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// A log: signs the checkpoint (type 0x01).
    Log,
    /// A witness: cosigns it with a time, `cosignature/v1` (type 0x04).
    Witness,
}

impl KeyKind {
    fn byte(self) -> u8 {
        match self {
            Self::Log => 0x01,
            Self::Witness => 0x04,
        }
    }

    fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            0x01 => Ok(Self::Log),
            0x04 => Ok(Self::Witness),
            other => Err(LogError::Key(format!(
                "signature type {other:#04x} is not supported"
            ))),
        }
    }
}

/// A public key with its name.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    id: u32,
    kind: KeyKind,
    key: VerifyingKey,
}

impl PublicKey {
    fn new(name: &str, kind: KeyKind, key: VerifyingKey) -> Self {
        let id = key_id(name, &typed(kind, key.as_bytes()));
        Self {
            name: name.to_owned(),
            id,
            kind,
            key,
        }
    }

    /// The name: for a log, its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its signatures say.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The 32 bytes of RFC 8032 section 5.1.5.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }
}

fn typed(kind: KeyKind, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(1 + bytes.len()));
    out.push(kind.byte());
    out.extend_from_slice(bytes);
    out
}

/// Splits `NAME+ID+BASE64`, where only the base64 may hold further plus signs.
fn split(text: &str) -> Result<(&str, u32, KeyKind, Zeroizing<[u8; 32]>)> {
    let bad = || LogError::Key("not of the form NAME+ID+BASE64".into());
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(data)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad());
    };
    if !is_key_name_valid(name) || name.chars().any(char::is_control) {
        return Err(LogError::Key(
            "the name is empty or has spaces or control characters".into(),
        ));
    }
    if id.len() != 8 || !id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(bad());
    }
    let id = u32::from_str_radix(id, 16).map_err(|_| bad())?;
    let data = Zeroizing::new(BASE64_STANDARD.decode(data).map_err(|_| bad())?);
    let (&kind, key) = data.split_first().ok_or_else(bad)?;
    let kind = KeyKind::from_byte(kind)?;
    let key = Zeroizing::new(<[u8; 32]>::try_from(key).map_err(|_| bad())?);
    Ok((name, id, kind, key))
}

impl FromStr for PublicKey {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() > MAX_KEY {
            return Err(LogError::TooLong {
                what: "key".into(),
                limit: MAX_KEY as u64,
            });
        }
        let (name, id, kind, bytes) = split(text.trim_end_matches('\n'))?;
        let key = VerifyingKey::from_bytes(&bytes)
            .map_err(|_| LogError::Key("not a point of the curve".into()))?;
        if key.is_weak() {
            return Err(LogError::Key(
                "a weak key, for which signatures can be made up".into(),
            ));
        }
        let public = Self::new(name, kind, key);
        if public.id != id {
            return Err(LogError::Key(
                "the identifier is not that of the key".into(),
            ));
        }
        Ok(public)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = BASE64_STANDARD.encode(typed(self.kind, self.key.as_bytes()).as_slice());
        write!(f, "{}+{:08x}+{data}", self.name, self.id)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl Verifier for PublicKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, msg: &[u8], sig: &[u8]) -> bool {
        // Strict: also refuses points of small order in the signature.
        match self.kind {
            KeyKind::Log => {
                Signature::from_slice(sig).is_ok_and(|s| self.key.verify_strict(msg, &s).is_ok())
            }
            KeyKind::Witness => {
                let Some((time, sig)) = sig
                    .split_first_chunk::<8>()
                    .filter(|_| sig.len() == COSIGNATURE_LEN)
                else {
                    return false;
                };
                let message = cosigned_message(u64::from_be_bytes(*time), msg);
                Signature::from_slice(sig)
                    .is_ok_and(|s| message.is_some_and(|m| self.key.verify_strict(&m, &s).is_ok()))
            }
        }
    }
}

/// A private key with its name. It is wiped from memory when dropped, and prints as its name only.
pub struct SecretKey {
    public: PublicKey,
    key: SigningKey,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({}, redacted)", self.public.name)
    }
}

impl SecretKey {
    /// A new key from the system's random numbers. `name` is the log's origin, best a URL without its
    /// scheme, or the witness's name.
    ///
    /// # Errors
    /// [`LogError::Key`] when the name cannot stand in a note, or there are no random numbers.
    pub fn generate(name: &str, kind: KeyKind) -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice())
            .map_err(|e| LogError::Key(format!("no random numbers: {e}")))?;
        Self::from_seed(name, kind, &seed)
    }

    /// The key with a given RFC 8032 seed.
    ///
    /// # Errors
    /// [`LogError::Key`] when the name cannot stand in a note.
    pub fn from_seed(name: &str, kind: KeyKind, seed: &[u8; 32]) -> Result<Self> {
        if !is_key_name_valid(name) || name.chars().any(char::is_control) || name.len() > 255 {
            return Err(LogError::Key(
                "the name is empty, too long, or has spaces, plus signs or control characters"
                    .into(),
            ));
        }
        let key = SigningKey::from_bytes(seed);
        Ok(Self {
            public: PublicKey::new(name, kind, key.verifying_key()),
            key,
        })
    }

    /// Reads the private form of `sumdb/note`.
    ///
    /// # Errors
    /// [`LogError::Key`]; the message never holds any of the key.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_KEY {
            return Err(LogError::TooLong {
                what: "key".into(),
                limit: MAX_KEY as u64,
            });
        }
        let rest = text.trim_end_matches('\n').strip_prefix("PRIVATE+KEY+");
        let (name, id, kind, seed) =
            split(rest.ok_or_else(|| LogError::Key("does not begin with PRIVATE+KEY".into()))?)?;
        let secret = Self::from_seed(name, kind, &seed)?;
        if secret.public.id != id {
            return Err(LogError::Key(
                "the identifier is not that of the key".into(),
            ));
        }
        Ok(secret)
    }

    /// Reads the private form of `sumdb/note`, or an unencrypted Ed25519 key in PKCS#8 (RFC 8410), PEM or
    /// DER, as `openssl genpkey -algorithm ed25519` makes it. Such a key has no name and gets `name`.
    ///
    /// # Errors
    /// [`LogError::Key`]; the message never holds any of the key.
    pub fn parse_as(bytes: &[u8], name: &str, kind: KeyKind) -> Result<Self> {
        let bad = |reason: &str| LogError::Key(reason.into());
        let text = str::from_utf8(bytes).ok();
        if text.is_some_and(|t| t.starts_with("PRIVATE+KEY+")) {
            return Self::parse(text.unwrap_or_default());
        }
        let pem = text.filter(|t| t.contains("-----BEGIN "));
        let der = match pem {
            Some(text) if text.contains("ENCRYPTED") => {
                return Err(bad("it is encrypted; decrypt it first (openssl pkey)"));
            }
            Some(text) => {
                let (label, der) = der::pem::decode_vec(text.trim_start().as_bytes())
                    .map_err(|_| bad("broken PEM"))?;
                let der = Zeroizing::new(der);
                if label != "PRIVATE KEY" {
                    return Err(bad("not a PKCS#8 private key"));
                }
                der
            }
            None => Zeroizing::new(bytes.to_vec()),
        };
        let wrong = || bad("neither PRIVATE+KEY+… nor an Ed25519 key in PKCS#8");
        let info = rsa::pkcs8::PrivateKeyInfo::try_from(der.as_slice()).map_err(|_| wrong())?;
        if info.algorithm.oid != ED25519 {
            return Err(bad("a key of another kind than Ed25519"));
        }
        // CurvePrivateKey ::= OCTET STRING, inside the OCTET STRING of PKCS#8.
        let seed = match info.private_key {
            [0x04, 0x20, seed @ ..] => <[u8; 32]>::try_from(seed).map_err(|_| wrong()),
            _ => Err(wrong()),
        };
        Self::from_seed(name, kind, &Zeroizing::new(seed?))
    }

    /// Reads a key file, which on Unix nobody but its owner may read. One in PKCS#8 has no name and gets
    /// `name`; that of another has to be `name`.
    ///
    /// # Errors
    /// [`LogError::Io`]; [`LogError::Key`], which names the file.
    pub fn load_as(path: &Path, name: &str, kind: KeyKind) -> Result<Self> {
        let named = |reason: String| LogError::Key(format!("{}: {reason}", path.display()));
        let bytes = Self::read(path)?;
        let key = Self::parse_as(&bytes, name, kind).map_err(|e| match e {
            LogError::Key(reason) => named(reason),
            other => other,
        })?;
        if key.public.name != name {
            return Err(named(format!(
                "the key of {}, not of {name}",
                key.public.name
            )));
        }
        if key.public.kind != kind {
            let (is, want) = match kind {
                KeyKind::Log => ("witness", "log"),
                KeyKind::Witness => ("log", "witness"),
            };
            return Err(named(format!("a {is} key, not a {want} key")));
        }
        Ok(key)
    }

    /// Reads a key file, which on Unix nobody but its owner may read.
    ///
    /// # Errors
    /// [`LogError::Io`], [`LogError::Key`].
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = Self::read(path)?;
        let text = str::from_utf8(&bytes)
            .map_err(|_| LogError::Key(format!("{}: not text", path.display())))?;
        Self::parse(text)
    }

    fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(path)
                .map_err(LogError::io(path))?
                .permissions()
                .mode();
            if mode & 0o077 != 0 {
                let mode = mode & 0o777;
                return Err(LogError::Key(format!(
                    "{}: others may read or change it (mode {mode:03o}); run chmod 600",
                    path.display()
                )));
            }
        }
        read_limited(path, MAX_KEY as u64).map(Zeroizing::new)
    }

    /// Writes a key file for its owner only; never over a file that exists.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(path).map_err(LogError::io(path))?;
        let seed = Zeroizing::new(self.key.to_bytes());
        let data = Zeroizing::new(
            BASE64_STANDARD.encode(typed(self.public.kind, seed.as_slice()).as_slice()),
        );
        let text = Zeroizing::new(format!(
            "PRIVATE+KEY+{}+{:08x}+{}\n",
            self.public.name,
            self.public.id,
            data.as_str()
        ));
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(LogError::io(path))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign_raw(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl Signer for SecretKey {
    fn name(&self) -> &str {
        &self.public.name
    }

    fn key_id(&self) -> u32 {
        self.public.id
    }

    fn sign(&self, msg: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.sign_raw(msg).to_vec())
    }
}
