//! `veraray-train gate`.

use std::path::PathBuf;
use std::process::ExitCode;

use veraray_model::DeviceChoice;
use veraray_train::Progress;

/// Flags of `gate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example of a gate file:
  manifest = \"manifest.csv\"        # relative to the gate file
  split = \"test\"                   # absent: every image of the manifest
  max_fpr = 0.01
  [[check]]
  metric = \"auroc\"                 # of the worst family, unless family says otherwise
  at_least = 0.90
  [[check]]
  metric = \"false_alarm_rate\"
  family = \"all\"
  delivered = true
  at_most = 0.03

Metrics: auroc, average_precision, balanced_accuracy, real_accuracy, detection_rate, false_alarm_rate,
tpr_at_5_percent_fpr, tpr_at_1_percent_fpr, tpr_at_0_1_percent_fpr, equal_error_rate, brier,
calibration_error, negative_log_likelihood, above_null, pixel_f1, iou, cell_f1, pd_at_1_percent.

Exit status: 0 everything holds, 1 something fell below its floor or rose above its ceiling, 2 error.")]
pub struct Args {
    /// The checkpoint (.vrc).
    checkpoint: PathBuf,
    /// Floors and ceilings (TOML).
    gate: PathBuf,
    /// Where to compute: auto takes a GPU when there is one.
    #[arg(long, default_value_t = DeviceChoice::Auto, value_name = "auto|cpu|gpu")]
    device: DeviceChoice,
}

/// Measures, and names what does not hold.
#[expect(clippy::print_stdout, reason = "the checks are this command's output")]
pub fn run(args: &Args, progress: &Progress) -> anyhow::Result<ExitCode> {
    let device = super::device(args.device, progress)?;
    let handle = (device.handle(), device.label());
    let report = veraray_train::gate(&args.checkpoint, &args.gate, handle, progress)?;
    print!("{}", report.to_text());
    Ok(if report.passed() {
        ExitCode::SUCCESS
    } else {
        let failed: Vec<&str> = report
            .checks
            .iter()
            .filter(|check| !check.passed)
            .map(|check| check.name.as_str())
            .collect();
        eprintln!("veraray-train: the gate is shut: {}", failed.join("; "));
        ExitCode::from(1)
    })
}
