//! The flags of `veraray scan` as typed.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use veraray_model::DeviceChoice;

use crate::LedgerArgs;

pub(crate) const SCAN_EXAMPLES: &str = "\
Examples:
  veraray scan study/                                     a table for the eye
  veraray scan study/ --format jsonl | jq 'select(.verdict != \"authentic\")'
  veraray scan archive/ --output verdicts.jsonl           may be interrupted and ...
  veraray scan archive/ --output verdicts.jsonl --resume  ... goes on where it stopped
  veraray scan archive/ --shard 3/16 --output part3.jsonl one of 16 machines
  find . -name '*.dcm' | veraray scan - --max-fpr 0.001   fewer false alarms
  veraray scan study/ --stability                         no verdict that JPEG or a zoom turns
  veraray scan archive/ --report page/                    a page to look at: page/index.html
  veraray scan archive/ --format parquet --output verdicts.parquet
  veraray scan archive/ --trust certificates/             also whose DICOM signatures hold
  veraray scan s3://archive/2024/ --output verdicts.jsonl objects of S3-compatible storage
  veraray scan archive/ --output v.jsonl --log archive.log --log-key archive.key

With --log every verdict is in the transparency log before it is put out, also after a crash and
--resume; verdicts are held for up to 0.2 s so that many are appended at once.
Object storage is set up by AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, for storage
other than Amazon's, AWS_ENDPOINT_URL (with AWS_ALLOW_HTTP=true where it is not encrypted).
AWS_SKIP_SIGNATURE=true reads public buckets. On a list, a URL is one object unless it ends in /.
Every file met gets exactly one record, also one that cannot be read or holds no image.
Exit status: 0 nothing flagged, 1 something flagged, 2 some input failed or a usage error.";

/// Flags of `veraray scan`.
#[derive(Debug, Clone, Args)]
pub struct ScanArgs {
    /// Files, folders (searched recursively, symbolic links followed), s3://BUCKET/PREFIX, or - for a
    /// list of paths and URLs on standard input, one a line
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Checkpoint to judge with, instead of the one inside this program
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Where the detector runs; auto takes a GPU if there is one and says why
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,
    /// Form of the output [default: text to a terminal, jsonl to a file or pipe]
    #[arg(long, value_enum)]
    pub format: Option<FormatArg>,
    /// File to write to instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Folder for a page with thumbnails and heat maps to sort and filter; needs no network
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Go on with --output (and --report) where an interrupted run stopped
    #[arg(long, requires = "output")]
    pub resume: bool,
    /// Judge only this process's share of the paths, I from 1 to N; give every process the same PATHs
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Tolerated share of false alarms among authentic images; picks the threshold [default: 0.01]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub max_fpr: Option<f64>,
    /// Whether to withhold a verdict on scores too close to call, untrained modalities and images unlike
    /// any of training
    #[arg(long, value_enum, default_value_t = AbstainArg::On)]
    pub abstain: AbstainArg,
    /// Judge every decided image again after harmless re-encodings (JPEG 90, half a percent smaller, a
    /// grey level of dither, a window 2 % wider), and abstain where the verdict flips; takes up to
    /// five times as long
    #[arg(long)]
    pub stability: bool,
    /// Whom to trust for DICOM signatures: a certificate file (PEM or DER) or a folder of them
    #[arg(long, value_name = "CA.pem|DIR")]
    pub trust: Option<PathBuf>,
    /// Where verdicts are logged
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// Files worked on at a time [default: the number of processors; four times that with a GPU]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Say nothing on standard error but errors
    #[arg(long, short)]
    pub quiet: bool,
}

impl ScanArgs {
    /// The file to write to, unless it is standard output, which `-` names too.
    pub(crate) fn output_file(&self) -> Option<&Path> {
        self.output
            .as_deref()
            .filter(|path| path.as_os_str() != "-")
    }
}

/// Where the detector runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeviceArg {
    /// A hardware GPU if there is one, else the CPU
    Auto,
    /// The CPU
    Cpu,
    /// A GPU, or an error
    Gpu,
}

impl From<DeviceArg> for DeviceChoice {
    fn from(argument: DeviceArg) -> Self {
        match argument {
            DeviceArg::Auto => Self::Auto,
            DeviceArg::Cpu => Self::Cpu,
            DeviceArg::Gpu => Self::Gpu,
        }
    }
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum FormatArg {
    /// One aligned line per image
    Text,
    /// One JSON record per line and image
    Jsonl,
    /// A table with a header; lists as JSON text
    Csv,
    /// A Parquet table, made when the scan has ended; needs --output
    Parquet,
}

/// Whether verdicts may be withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AbstainArg {
    /// Withhold doubtful verdicts
    On,
    /// Judge whatever has a score
    Off,
}

/// One of `count` shares, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which share, from 1 to `count`.
    pub index: u64,
    /// Number of shares.
    pub count: u64,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parsed {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("expected I/N with I from 1 to N, such as 3/16".into()),
        }
    }
}

pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate < 1.0 => Ok(rate),
        _ => Err("expected a share between 0 and 1, such as 0.01 for 1 %".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_count_from_one() {
        assert_eq!(
            "3/16".parse(),
            Ok(Shard {
                index: 3,
                count: 16
            })
        );
        for wrong in ["0/4", "5/4", "1/0", "/", "1", "a/b", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_lie_between_zero_and_one() {
        assert_eq!(rate("0.01"), Ok(0.01));
        for wrong in ["0", "1", "-0.1", "nan", "1%"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
