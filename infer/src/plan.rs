//! From flags to everything a scan needs, checked before the first file is touched.

use std::fs::File;
use std::io::IsTerminal as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use veraray_datasets::OpenOptions;
use veraray_model::{Calibration, Card, Checkpoint, ComputeDevice, Detector, ModelError};

use crate::engine::Engine;
use crate::examine::Examiner;
use crate::gpu;
use crate::judge::{Operating, Rules};
use crate::log::Ledger;
use crate::report::{Context, Report};
use crate::resume::{Made, Recorded};
use crate::select::Selection;
use crate::signature::Evidence;
use crate::summary::Counts;
use crate::wording::percent;
use crate::{AbstainArg, DeviceArg, FormatArg, ModelId, ScanArgs, ScanError, output};

/// The checkpoint inside this program.
static EMBEDDED: &[u8] = include_bytes!("../assets/default.vrc");

/// False alarms tolerated where nothing else is asked for.
const DEFAULT_MAX_FPR: f64 = 0.01;

/// A scan that can begin.
pub(crate) struct Plan {
    pub(crate) engine: Engine,
    pub(crate) examiner: Examiner,
    pub(crate) selection: Selection,
    pub(crate) format: FormatArg,
    /// The output file; `None` is standard output.
    pub(crate) output: Option<File>,
    /// The page to make, and what it says of the whole.
    pub(crate) report: Option<(Report, Context)>,
    /// What the interrupted run had recorded.
    pub(crate) before: Counts,
    /// What to tell the user before the first record.
    pub(crate) preamble: Vec<String>,
    /// Where verdicts are logged.
    pub(crate) ledger: Option<Ledger>,
}

impl Plan {
    /// Checks flags, device, checkpoint and output, the cheapest first.
    pub(crate) fn new(arguments: &ScanArgs) -> Result<Self, ScanError> {
        let path = arguments.output_file();
        let to_terminal = path.is_none() && std::io::stdout().is_terminal();
        let format = arguments.format.unwrap_or(match to_terminal {
            true => FormatArg::Text,
            false => FormatArg::Jsonl,
        });
        if arguments.resume && (format == FormatArg::Text || path.is_none()) {
            return Err(ScanError::Usage(
                "--resume needs --output FILE and --format jsonl, csv or parquet".into(),
            ));
        }
        if format == FormatArg::Parquet && path.is_none() {
            return Err(ScanError::Usage(
                "--format parquet needs --output FILE".into(),
            ));
        }
        if arguments.resume && format == FormatArg::Csv && arguments.ledger.log.is_some() {
            return Err(ScanError::Usage(
                "--log with --resume needs --format jsonl or parquet".into(),
            ));
        }
        let evidence = Evidence::new(arguments.trust.as_deref())?;
        let Judge {
            device,
            detector,
            mut examiner,
            context,
            preamble,
        } = Judge::new(
            arguments.checkpoint.as_deref(),
            arguments.device,
            arguments.max_fpr,
            arguments.abstain,
        )?;
        let made = Made {
            sha256: &context.sha256,
            threshold: context.operating.threshold,
        };
        let records = path.map(|path| output::written(format, path));
        let mut ledger = Ledger::open(arguments, records.as_deref(), &context.sha256)?;
        examiner.evidence = evidence;
        examiner.stability = arguments.stability;
        examiner.digest_pixels = ledger.is_some();
        let (output, recorded) = match path {
            None => (None, Recorded::default()),
            Some(path) if arguments.resume => {
                let (file, recorded) = output::reopen(format, path, made)?;
                (Some(file), recorded)
            }
            Some(path) => (Some(output::create(format, path)?), Recorded::default()),
        };
        let report = match (&arguments.report, path) {
            (None, _) => None,
            (Some(folder), Some(path)) if arguments.resume => {
                let written = output::written(format, path);
                Some(Report::resume(folder, recorded.clone(), &written)?)
            }
            (Some(folder), _) => Some(Report::create(folder)?),
        };
        examiner.previews = report.as_ref().map(Report::previews);
        let before = recorded.counts;
        let mut own_paths = Vec::new();
        if let Some(ledger) = &mut ledger {
            ledger.begin(records.as_deref(), arguments.resume)?;
            own_paths = ledger.own_paths(records.as_deref());
        }
        let several =
            arguments.paths.len() > 1 || arguments.paths.iter().any(|path| path.as_os_str() == "-");
        let mut own: Vec<&Path> = arguments.report.as_deref().into_iter().collect();
        let written = path.map_or_else(Vec::new, output::own);
        own.extend(written.iter().map(PathBuf::as_path));
        Ok(Self {
            selection: Selection::new(arguments.shard, recorded, &own, several).without(own_paths),
            engine: Engine {
                detector: match device.is_gpu() {
                    true => detector.folded(),
                    false => detector,
                },
                device: device.handle().clone(),
                on_gpu: device.is_gpu(),
                jobs: jobs(arguments.jobs, device.is_gpu()),
            },
            examiner,
            format,
            output,
            report: report.map(|report| (report, context)),
            before,
            preamble,
            ledger,
        })
    }
}

/// A checkpoint on a device, with the threshold in force: what it takes to judge an image.
pub(crate) struct Judge {
    pub(crate) device: ComputeDevice,
    pub(crate) detector: Detector,
    pub(crate) examiner: Examiner,
    pub(crate) context: Context,
    /// What to tell the user before the first record.
    pub(crate) preamble: Vec<String>,
}

impl Judge {
    /// Finds the device, loads the checkpoint and picks the threshold.
    pub(crate) fn new(
        checkpoint: Option<&Path>,
        device: DeviceArg,
        max_fpr: Option<f64>,
        abstain: AbstainArg,
    ) -> Result<Self, ScanError> {
        let device = ComputeDevice::select(device.into()).map_err(ScanError::Device)?;
        let Checkpoint {
            card,
            detector,
            sha256,
        } = load(checkpoint, &device)?;
        let operating = operating(&card.calibration, max_fpr)?;
        let context = Context::new(&card, &sha256, device.label(), operating);
        let preamble = vec![
            format!("device {}: {}", device.label(), device.reason()),
            format!("model {}: {}", title(&card, &sha256), threshold(operating)),
        ];
        let examiner = Examiner {
            limits: OpenOptions::default(),
            rules: Rules {
                calibration: card.calibration,
                operating,
                pooling: card.input.pooling,
                modalities: card.modalities,
                known: card.out_of_distribution,
                abstain: abstain == AbstainArg::On,
            },
            spec: card.input,
            model: ModelId {
                name: card.name,
                version: card.version,
                sha256,
            },
            device: device.label().to_owned(),
            evidence: Evidence::new(None)?,
            stability: false,
            digest_pixels: false,
            previews: None,
        };
        Ok(Self {
            device,
            detector,
            examiner,
            context,
            preamble,
        })
    }
}

/// Loads the checkpoint of a flag, or the embedded one.
pub(crate) fn load(path: Option<&Path>, device: &ComputeDevice) -> Result<Checkpoint, ScanError> {
    match path {
        Some(path) => Checkpoint::load(path, device.handle()).map_err(ScanError::Checkpoint),
        None => Checkpoint::from_bytes(EMBEDDED, "embedded checkpoint", device.handle())
            .map_err(|error: ModelError| ScanError::Embedded(error)),
    }
}

/// The threshold for the false alarms tolerated. A checkpoint that declares none flags at one half,
/// unless a rate was asked for.
pub(crate) fn operating(
    calibration: &Calibration,
    asked: Option<f64>,
) -> Result<Operating, ScanError> {
    let requested = asked.unwrap_or(DEFAULT_MAX_FPR);
    if let Some(point) = calibration.operating_point(requested) {
        return Ok(Operating {
            threshold: point.threshold,
            false_alarms: Some(point.false_positive_rate),
        });
    }
    let declared: Vec<String> = calibration
        .operating_points
        .iter()
        .map(|point| point.false_positive_rate.to_string())
        .collect();
    match (declared.is_empty(), asked) {
        (true, None) => Ok(Operating {
            threshold: 0.5,
            false_alarms: None,
        }),
        (true, Some(_)) => Err(ScanError::OperatingPoint {
            requested,
            declared: "no rate at all".into(),
        }),
        (false, _) => Err(ScanError::OperatingPoint {
            requested,
            declared: declared.join(", "),
        }),
    }
}

fn title(card: &Card, sha256: &str) -> String {
    format!(
        "{} {} ({})",
        card.name,
        card.version,
        sha256.get(..12).unwrap_or(sha256)
    )
}

fn threshold(operating: Operating) -> String {
    match operating.false_alarms {
        Some(rate) => {
            format!(
                "threshold {:.4} for {} false alarms",
                operating.threshold,
                percent(rate)
            )
        }
        None => format!(
            "threshold {:.4}; this checkpoint declares no false-alarm rate",
            operating.threshold
        ),
    }
}

fn jobs(asked: Option<NonZeroUsize>, on_gpu: bool) -> usize {
    let per_core = if on_gpu { gpu::WORKERS_PER_CORE } else { 1 };
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    asked.map_or_else(|| per_core * cores(), NonZeroUsize::get)
}

#[cfg(test)]
mod tests {
    use super::*;
    use veraray_model::OperatingPoint;

    fn calibration(rates: &[f64]) -> Calibration {
        let point = |&rate: &f64| OperatingPoint {
            false_positive_rate: rate,
            threshold: 1.0 - rate,
            upper_bound: rate,
            authentic_images: 1,
        };
        Calibration {
            operating_points: rates.iter().map(point).collect(),
            ..Calibration::identity()
        }
    }

    #[test]
    fn a_rate_that_is_not_declared_is_refused_by_name() {
        let error = operating(&calibration(&[0.01, 0.05]), Some(0.001)).unwrap_err();
        assert!(error.to_string().contains("0.01, 0.05"), "{error}");
        let error = operating(&calibration(&[]), Some(0.01)).unwrap_err();
        assert!(error.to_string().contains("no rate at all"), "{error}");
    }

    #[test]
    fn without_a_rate_the_default_holds() {
        let found = operating(&calibration(&[0.001, 0.01, 0.05]), None).unwrap();
        assert_eq!(found.false_alarms, Some(0.01));
        let found = operating(&calibration(&[]), None).unwrap();
        assert_eq!(
            found,
            Operating {
                threshold: 0.5,
                false_alarms: None
            }
        );
    }
}
