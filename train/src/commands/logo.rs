//! `veraray-train logo`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use veraray_model::DeviceChoice;
use veraray_train::{LogoOptions, LogoPlan, Progress};

/// Flags of `logo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  veraray-train logo recipes/default.toml --manifest data/manifest.csv
  veraray-train logo recipes/default.toml --families pixel_flow,inpaint_gan --epochs 4
  veraray-train logo recipes/default.toml --jobs 4        # four runs at a time
  veraray-train logo recipes/default.toml --folds 3       # three runs, a third of the families each

With --folds a detector misses several families at once, which is cheaper and harder than missing one.
Every run is in runs/NAME/logo/FAMILY. Called again, finished families are skipped and a
stopped one goes on from its last epoch. The tables are in runs/NAME/logo/logo.{json,md,html}.")]
pub struct Args {
    /// The recipe (TOML).
    recipe: PathBuf,
    /// Manifest to use in place of the recipe's data.manifest.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Families to hold out; all by default.
    #[arg(long, value_name = "FAMILY", value_delimiter = ',')]
    families: Vec<String>,
    /// Deal the families out to N runs, each of which leaves out all of its families at once.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    folds: Option<u16>,
    /// Epochs in place of the recipe's.
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Runs at the same time, each by a process of its own.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Declared false-positive rate whose threshold is judged.
    #[arg(long, default_value_t = 0.01, value_name = "RATE")]
    max_fpr: f64,
    /// Repeat runs that are finished or belong to another recipe.
    #[arg(long)]
    force: bool,
    /// Folder of all runs.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
    /// Where to compute: auto takes a GPU when there is one.
    #[arg(long, default_value_t = DeviceChoice::Auto, value_name = "auto|cpu|gpu")]
    device: DeviceChoice,
    /// Train the families, and leave the tables to the process that asked.
    #[arg(long, hide = true)]
    worker: bool,
}

/// Runs the families and prints the table.
#[expect(clippy::print_stdout, reason = "the table is this command's output")]
pub fn run(args: &Args, progress: &Progress) -> anyhow::Result<()> {
    let plan = LogoPlan::new(
        &args.recipe,
        &LogoOptions {
            runs: args.runs.clone(),
            manifest: args.manifest.clone(),
            families: args.families.clone(),
            folds: args.folds.map(usize::from),
            epochs: args.epochs,
            force: args.force,
            max_fpr: args.max_fpr,
        },
    )?;
    if args.jobs > 1 && plan.folds.len() > 1 {
        side_by_side(args, &plan, progress)?;
    } else {
        let device = super::device(args.device, progress)?;
        for fold in &plan.folds {
            plan.run(fold, &device, progress)
                .with_context(|| format!("without {}", fold.join(", ")))?;
        }
    }
    if args.worker {
        return Ok(());
    }
    let table = plan.table();
    print!("{}", table.to_markdown());
    for file in table.write(plan.folder())? {
        progress.note(&format!("wrote {}", file.display()));
    }
    if !table.missing.is_empty() {
        bail!("not finished: {}", table.missing.join(", "));
    }
    Ok(())
}

/// Runs the folds in processes of their own, `--jobs` at a time. One that fails does not stop the
/// others.
fn side_by_side(args: &Args, plan: &LogoPlan, progress: &Progress) -> anyhow::Result<()> {
    let mut waiting = plan.folds.iter();
    let mut running: Vec<(String, PathBuf, Child)> = Vec::new();
    loop {
        while running.len() < usize::from(args.jobs) {
            let Some(fold) = waiting.next() else { break };
            let families = fold.join(",");
            if !args.force && plan.finished(fold).is_some() {
                progress.note(&format!("{families}: finished before"));
                continue;
            }
            let mut log = plan.run_of(fold).into_os_string();
            log.push(".log");
            let log = PathBuf::from(log);
            progress.note(&format!("training without {families} ({})", log.display()));
            let process = spawn(args, &families, &log)?;
            running.push((families, log, process));
        }
        if running.is_empty() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
        let mut still = Vec::new();
        for (family, log, mut child) in running {
            match child.try_wait()? {
                None => still.push((family, log, child)),
                Some(status) if status.success() => progress.note(&format!("{family}: done")),
                Some(status) => {
                    eprintln!("veraray-train: {family}: {status}; see {}", log.display());
                }
            }
        }
        running = still;
    }
}

fn spawn(args: &Args, families: &str, log: &Path) -> anyhow::Result<Child> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let written = File::create(log).with_context(|| log.display().to_string())?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("logo")
        .arg(&args.recipe)
        .args(["--families", families, "--folds", "1", "--worker"])
        .args(["--max-fpr", &args.max_fpr.to_string()])
        .args(["--device", &args.device.to_string()])
        .arg("--runs")
        .arg(&args.runs);
    if let Some(manifest) = &args.manifest {
        command.arg("--manifest").arg(manifest);
    }
    if let Some(epochs) = args.epochs {
        command.args(["--epochs", &epochs.to_string()]);
    }
    if args.force {
        command.arg("--force");
    }
    // Each would otherwise take every core for itself.
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = (cores / usize::from(args.jobs)).max(1);
        command.env("RAYON_NUM_THREADS", share.to_string());
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(written)
        .spawn()
        .with_context(|| format!("the process for {families} does not start"))
}
