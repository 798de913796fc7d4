//! The flags of `veraray log` as typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use veraray_provenance::log::PublicKey;

use super::files::read;

pub(crate) const LOG_EXAMPLES: &str = "\
Examples:
  veraray log init archive.log --origin log.example/archive --key archive.key > archive.vkey
  veraray log append archive.log --action received --actor 'gateway 3' in/*.dcm
  veraray scan in/ --log archive.log --log-key archive.key   logs and signs every verdict
  veraray log checkpoint archive.log --key archive.key > latest.checkpoint   hand this to others
  veraray log prove archive.log 41 > image.dcm.tlog-proof                    and this to whoever has the image
  veraray log verify image.dcm.tlog-proof --vkey archive.vkey --file image.dcm
  veraray log verify archive.log --vkey archive.vkey --remember old.checkpoint

Two checkpoints of one log, without the log:
  veraray log prove archive.log --since 1000 > grown.proof
  veraray log verify grown.proof --vkey archive.vkey --remember old.checkpoint --remember latest.checkpoint

A witness, on a machine of somebody else, keeps the log from showing two histories:
  veraray log witness --name witness.example --key witness.key > witness.vkey
  veraray log cosign latest.checkpoint --vkey archive.vkey --key witness.key --name witness.example \\
      --state seen.checkpoint --proof grown.proof > cosigned
  veraray log checkpoint archive.log --key archive.key --cosignature cosigned --witness witness.vkey

The folder has the C2SP tlog-tiles layout: any static file server publishes it. Give a log to one
machine; many processes there may append. Every append waits for the disk a few times, so give one
command many files: it appends up to 4,096 together. An entry holds SHA-256 of file and decoded pixels, the SOP instance UID, who,
when and what: treat a log like the archive it is about.
Exit status: 0 done or valid, 1 not valid, 2 an input failed or a usage error.";

/// What to do with a log.
#[allow(clippy::large_enum_variant, reason = "parsed once")]
#[derive(Debug, Clone, Subcommand)]
#[non_exhaustive]
pub enum LogCommand {
    /// Make an empty log and its key; prints the public key
    Init(InitArgs),
    /// Append one entry per file; prints the index of each
    Append(AppendArgs),
    /// Sign what was appended; prints the checkpoint
    Checkpoint(CheckpointArgs),
    /// Print the proof that the last checkpoint covers an entry, or extends an older one
    Prove(ProveArgs),
    /// Verify a proof file, or a whole log folder
    Verify(VerifyArgs),
    /// Make the key of a witness; prints the public key
    Witness(WitnessArgs),
    /// Cosign a checkpoint as a witness, if it extends the last one seen; prints the result
    Cosign(CosignArgs),
}

/// Flags of `veraray log init`.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Folder to make the log in
    pub log: PathBuf,
    /// Name of the log: a host and path of yours, such as log.example/archive
    #[arg(long)]
    pub origin: String,
    /// File of the private key; made, readable by its owner only, if it does not exist. One of
    /// openssl genpkey -algorithm ed25519 serves too
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

/// Flags of `veraray log append`.
#[derive(Debug, Clone, Args)]
pub struct AppendArgs {
    /// Folder of the log
    pub log: PathBuf,
    /// Files that the entries are about
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What was done: acquired, received, signed, transcoded, deidentified, scanned, ...
    #[arg(long)]
    pub action: String,
    /// Who did it: a person, device or program
    #[arg(long)]
    pub actor: String,
    /// Index of the entry about the file that these were made from
    #[arg(long, value_name = "INDEX")]
    pub parent: Option<u64>,
}

/// Flags of `veraray log checkpoint`.
#[derive(Debug, Clone, Args)]
pub struct CheckpointArgs {
    /// Folder of the log
    pub log: PathBuf,
    /// File of the private key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// File with a witness's answer, to be attached to the checkpoint
    #[arg(long, value_name = "FILE", requires = "witness")]
    pub cosignature: Option<PathBuf>,
    /// Public key of a trusted witness, or a file that holds it
    #[arg(long, value_name = "VKEY", value_parser = public_key)]
    pub witness: Vec<PublicKey>,
}

/// Flags of `veraray log prove`.
#[derive(Debug, Clone, Args)]
pub struct ProveArgs {
    /// Folder of the log
    pub log: PathBuf,
    /// Index of the entry
    #[arg(required_unless_present = "since", conflicts_with = "since")]
    pub index: Option<u64>,
    /// Prove instead that the last checkpoint extends the log as it was with this many entries
    #[arg(long, value_name = "SIZE")]
    pub since: Option<u64>,
    /// File to write instead of standard output; image.dcm.tlog-proof beside image.dcm, by custom
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Flags of `veraray log verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// A proof file, or the folder of a log to be read whole
    pub subject: PathBuf,
    /// The log's public key as its owner gave it to you, or a file that holds it
    #[arg(long, value_name = "VKEY", value_parser = public_key)]
    pub vkey: PublicKey,
    /// The image that a proof must be about
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Public key of a trusted witness, or a file that holds it
    #[arg(long, value_name = "VKEY", value_parser = public_key)]
    pub witness: Vec<PublicKey>,
    /// How many of the witnesses must have cosigned
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub quorum: usize,
    /// A checkpoint kept from earlier, which a log folder must extend; for a proof that one checkpoint
    /// extends another, both of them
    #[arg(long, value_name = "FILE")]
    pub remember: Vec<PathBuf>,
}

/// Flags of `veraray log witness`.
#[derive(Debug, Clone, Args)]
pub struct WitnessArgs {
    /// Name of the witness: a host and path of yours, such as witness.example
    #[arg(long)]
    pub name: String,
    /// File of the private key; made, readable by its owner only, if it does not exist
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

/// Flags of `veraray log cosign`.
#[derive(Debug, Clone, Args)]
pub struct CosignArgs {
    /// The checkpoint to cosign
    pub checkpoint: PathBuf,
    /// The log's public key as its owner gave it to you, or a file that holds it
    #[arg(long, value_name = "VKEY", value_parser = public_key)]
    pub vkey: PublicKey,
    /// File of the witness's private key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Name of the witness
    #[arg(long)]
    pub name: String,
    /// File where this witness remembers the last checkpoint of this log that it cosigned; made at first
    #[arg(long, value_name = "FILE")]
    pub state: PathBuf,
    /// Proof that the checkpoint extends the one in --state, from `veraray log prove --since`
    #[arg(long, value_name = "FILE")]
    pub proof: Option<PathBuf>,
}

/// A public key as text, or the path of a file that holds one.
fn public_key(text: &str) -> Result<PublicKey, String> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let bytes = read(text.as_ref(), 4096)
        .map_err(|error| format!("neither a public key nor a file that holds one: {error}"))?;
    let text = String::from_utf8_lossy(&bytes);
    text.trim().parse().map_err(|error| format!("{error}"))
}
