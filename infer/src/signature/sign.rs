//! `veraray sign`: adds a digital signature, or a certified timestamp to one.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};
use veraray_provenance::signature::{
    Authority, DigestAlgorithm, Place, Profile, Purpose, SignOptions, Tag, TimestampRequest,
    add_timestamp, sign_file, tag_named,
};

use crate::pages::print;
use crate::{ExitStatus, ScanError};

pub(crate) const SIGN_EXAMPLES: &str = "\
Examples:
  veraray sign image.dcm --key device.key --cert device.pem --output signed.dcm
  veraray sign image.dcm --key device.key --cert device.pem --profile creator --output signed.dcm
  veraray sign report.dcm --key k.pem --cert c.pem --item '(0040,A730)[0]' --output signed.dcm
  veraray sign image.dcm --key k.pem --cert c.pem --elements PatientID,PixelData --output signed.dcm

With a timestamp of an authority (RFC 3161), asked by a command or by hand:
  veraray sign image.dcm --key k.pem --cert c.pem --output signed.dcm --timestamp-command \\
    'curl -sf --data-binary @- -H Content-Type:application/timestamp-query http://tsa.example'
  veraray sign image.dcm --key k.pem --cert c.pem --output signed.dcm --timestamp-query q.tsq
  openssl ts -reply -queryfile q.tsq -config tsa.cnf -out r.tsr
  veraray sign signed.dcm --timestamp-reply r.tsr --output stamped.dcm

The original is never changed unless --in-place asks for it, and the signed file is readable by its
owner only. Keys are PKCS#8, PKCS#1 or SEC1, PEM or DER, unencrypted: RSA, P-256, P-384 or P-521; the
profiles want RSA. Signatures are PKCS#1 v1.5 or ECDSA; DICOM names no RSA-PSS.";

/// Largest answer taken from a timestamping authority.
const MAX_REPLY: u64 = 1 << 20;

/// Flags of `veraray sign`.
#[derive(Debug, Clone, Args)]
pub struct SignArgs {
    /// DICOM file to sign
    pub file: PathBuf,
    /// Private key (PEM or DER)
    #[arg(
        long,
        value_name = "K.pem",
        required_unless_present = "timestamp_reply"
    )]
    pub key: Option<PathBuf>,
    /// Its certificate (PEM or DER)
    #[arg(
        long,
        value_name = "C.pem",
        required_unless_present = "timestamp_reply"
    )]
    pub cert: Option<PathBuf>,
    /// Signature profile to keep to: none, base, creator or authorization (PS3.15 Annex C)
    #[arg(long, default_value = "none", value_name = "PROFILE")]
    pub profile: Profile,
    /// Digest of the MAC
    #[arg(long, value_enum, default_value_t = DigestArg::Sha256)]
    pub digest: DigestArg,
    /// Digital Signature Purpose Code, 1 to 18 (PS3.3 C.12.1.1.3.1.5)
    #[arg(long, value_name = "CODE")]
    pub purpose: Option<Purpose>,
    /// Item of a sequence to sign instead of the data set, such as (0040,A730)[0]
    #[arg(long, value_name = "PLACE")]
    pub item: Option<Place>,
    /// Elements to sign, by keyword or as ggggeeee, beside those that the profile wants
    /// [default: all for the profiles none and base]
    #[arg(long, value_name = "ELEMENT", value_delimiter = ',', value_parser = tag_named)]
    pub elements: Vec<Tag>,
    /// Shell command that sends its standard input, a timestamp request, to an authority, and writes
    /// the reply to its standard output
    #[arg(long, value_name = "COMMAND", conflicts_with = "timestamp_reply")]
    pub timestamp_command: Option<String>,
    /// File to write a timestamp request for the new signature to
    #[arg(long, value_name = "FILE", conflicts_with_all = ["timestamp_reply", "timestamp_command"])]
    pub timestamp_query: Option<PathBuf>,
    /// Sign nothing, but put this timestamp reply into the signature that it is for
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "cert"])]
    pub timestamp_reply: Option<PathBuf>,
    /// File to write
    #[arg(long, value_name = "FILE", required_unless_present = "in_place")]
    pub output: Option<PathBuf>,
    /// Replace the input
    #[arg(long, conflicts_with = "output")]
    pub in_place: bool,
}

/// Digest of the MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum DigestArg {
    Sha256,
    Sha384,
    Sha512,
}

/// Runs `veraray sign`.
pub(crate) fn sign(arguments: &SignArgs) -> Result<ExitStatus, ScanError> {
    let output = arguments.output.as_deref().unwrap_or(&arguments.file);
    if let Some(reply) = &arguments.timestamp_reply {
        add_timestamp(&arguments.file, reply, output, arguments.in_place)?;
        return print(format!("{}: timestamp added\n", output.display()).as_bytes());
    }
    let (Some(key), Some(cert)) = (&arguments.key, &arguments.cert) else {
        return Err(ScanError::Usage("--key and --cert are needed".into()));
    };
    let query = arguments.timestamp_query.as_deref();
    if let Some(path) = query.filter(|path| path.symlink_metadata().is_ok()) {
        let reason = "exists and is not overwritten";
        return Err(ScanError::Usage(format!(
            "--timestamp-query {}: {reason}",
            path.display()
        )));
    }
    warn_of_readers(key);
    let mut options = SignOptions::from_files(key, cert)?;
    options.profile = arguments.profile;
    options.digest = match arguments.digest {
        DigestArg::Sha256 => DigestAlgorithm::Sha256,
        DigestArg::Sha384 => DigestAlgorithm::Sha384,
        DigestArg::Sha512 => DigestAlgorithm::Sha512,
    };
    options.purpose = arguments.purpose;
    options.place = arguments.item.clone().unwrap_or_default();
    options.tags.clone_from(&arguments.elements);
    options.in_place = arguments.in_place;
    let command = arguments.timestamp_command.clone();
    options.authority = command.map(|command| Authority::new(move |query| ask(&command, query)));
    let signed = sign_file(&arguments.file, &options, output)?;
    if let Some(path) = query {
        let failed = |reason: String| {
            ScanError::Usage(format!("--timestamp-query {}: {reason}", path.display()))
        };
        let request = TimestampRequest::new(&signed.value).map_err(failed)?;
        std::fs::write(path, request.der).map_err(|e| failed(e.to_string()))?;
    }
    let line = format!(
        "{}: signed {} elements, signature {}\n",
        signed.path.display(),
        signed.signed.len(),
        signed.uid
    );
    print(line.as_bytes())
}

/// Says so when others can read a key. It may lie in a folder that they cannot enter, so it is used.
#[cfg(unix)]
fn warn_of_readers(key: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(key).map_or(0, |m| {
        if m.is_file() {
            m.permissions().mode()
        } else {
            0
        }
    });
    if mode & 0o077 != 0 {
        let mode = mode & 0o777;
        eprintln!(
            "veraray: warning: --key {}: others may read or change it (mode {mode:03o}); run chmod 600",
            key.display()
        );
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_: &Path) {}

/// Runs the user's command on a timestamp request.
fn ask(command: &str, query: &[u8]) -> Result<Vec<u8>, String> {
    let (shell, flag) = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("sh", "-c")
    };
    let failed = |error: std::io::Error| format!("--timestamp-command: {error}");
    let mut child = Command::new(shell)
        .args([flag, command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // A request is smaller than any pipe's buffer. A command that does not read it has its reasons.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(query);
    }
    let mut reply = Vec::new();
    let read = child
        .stdout
        .take()
        .map_or(Ok(0), |out| out.take(MAX_REPLY).read_to_end(&mut reply));
    let status = child.wait().map_err(failed)?;
    read.map_err(failed)?;
    if status.success() {
        Ok(reply)
    } else {
        Err(format!("--timestamp-command: ended with {status}"))
    }
}
