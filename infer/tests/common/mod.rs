//! A folder to scan, checkpoints whose verdicts are known beforehand, and the real binary.
#![allow(dead_code, missing_docs)]

pub mod browser;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tempfile::TempDir;
use veraray_model::{
    Calibration, Card, Checkpoint, ComputeDevice, DetectorConfig, DeviceChoice, FORMAT_VERSION,
    InputSpec, OperatingPoint, Provenance,
};

pub struct Bench {
    folder: TempDir,
    pub checkpoint: PathBuf,
}

impl Bench {
    /// A bench whose checkpoint flags every image that has a score.
    pub fn flagging() -> Self {
        Self::new(&calibration(0.0))
    }

    /// A bench whose checkpoint flags nothing: its fresh weights never reach a score of one.
    pub fn passing() -> Self {
        Self::new(&calibration(1.0))
    }

    pub fn new(calibration: &Calibration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path().join("test.vrc");
        save(&checkpoint, calibration);
        std::fs::create_dir(folder.path().join("in")).unwrap();
        Self { folder, checkpoint }
    }

    /// The folder to scan.
    pub fn input(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    /// A path beside the folder to scan.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.input().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A grey PNG of noise that differs by name.
    pub fn png(&self, name: &str, rows: u32, columns: u32) -> PathBuf {
        let path = self.path(name);
        let seed = name.bytes().fold(7_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        image::GrayImage::from_fn(columns, rows, |x, y| image::Luma([noise(seed, x, y)]))
            .save_with_format(&path, image::ImageFormat::Png)
            .unwrap();
        path
    }

    /// `veraray scan` with the bench's checkpoint on the CPU.
    pub fn scan(&self) -> Command {
        let mut command = veraray();
        command
            .args(["scan", "--device", "cpu", "--checkpoint"])
            .arg(&self.checkpoint);
        command
    }

    /// Scans the input folder.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.scan()
            .args(arguments)
            .arg(self.input())
            .output()
            .unwrap()
    }
}

pub fn noise(seed: u32, x: u32, y: u32) -> u8 {
    let mixed = (x.wrapping_mul(0x9E37) ^ y.wrapping_mul(0x85EB) ^ seed).wrapping_mul(0x2C1B_3C6D);
    (mixed >> 17) as u8
}

/// The binary under test, deaf to the surrounding terminal's wishes.
pub fn veraray() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_veraray"));
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// A calibration with one operating point, 1 %, at `threshold`.
pub fn calibration(threshold: f64) -> Calibration {
    Calibration {
        operating_points: vec![OperatingPoint {
            false_positive_rate: 0.01,
            threshold,
            upper_bound: 0.02,
            authentic_images: 300,
        }],
        ..Calibration::identity()
    }
}

/// Saves a small detector with fresh weights.
pub fn save(path: &Path, calibration: &Calibration) {
    let device = ComputeDevice::select(DeviceChoice::Cpu).unwrap();
    let architecture = DetectorConfig {
        spatial: [4, 4, 8, 8],
        frequency_local: 4,
        noise_level: 0,
        frequency_global: 4,
        fused: 8,
        dropout: 0.0,
        context: true,
    };
    // One generator for the whole process, and weights are drawn when first read: nobody else draws
    // between the seed and the file, so that every run of a test has the same detector.
    static DRAWS: Mutex<()> = Mutex::new(());
    let drawing = DRAWS.lock().unwrap_or_else(PoisonError::into_inner);
    device.handle().seed(7);
    let detector = architecture.init(device.handle()).unwrap();
    let card = Card {
        format_version: FORMAT_VERSION,
        name: "test".into(),
        version: "0".into(),
        architecture,
        input: InputSpec::default(),
        calibration: calibration.clone(),
        modalities: vec!["CR".into(), "CT".into()],
        families: vec!["none".into()],
        provenance: Provenance::default(),
        metrics: Vec::new(),
        limits: vec!["it knows nothing".into()],
        licence: "CC0-1.0".into(),
        calibration_set: None,
        out_of_distribution: None,
    };
    Checkpoint {
        card,
        detector,
        sha256: String::new(),
    }
    .save(path)
    .unwrap();
    drop(drawing);
}

/// The records on standard output.
pub fn records(output: &Output) -> Vec<Value> {
    lines(&output.stdout)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(str::to_owned)
        .collect()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// File names of the records, in their order.
pub fn names(records: &[Value]) -> Vec<String> {
    records
        .iter()
        .map(|record| {
            let path = Path::new(record["path"].as_str().unwrap());
            path.file_name().unwrap().to_string_lossy().into_owned()
        })
        .collect()
}

/// Records without the durations, which differ from run to run.
pub fn timeless(output: &Output) -> Vec<String> {
    lines(&output.stdout)
        .iter()
        .map(|line| line.split(",\"ms\":").next().unwrap().to_owned())
        .collect()
}

/// The Python with pydicom, if there is one.
pub fn python() -> Option<PathBuf> {
    let given = std::env::var_os("VERARAY_PYTHON").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let python = given.or_else(|| Some(home?.join(".cache/veraray/venv/bin/python")))?;
    let works = Command::new(&python)
        .args(["-c", "import pydicom, numpy"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    works.then_some(python)
}

/// A NIfTI-1 volume of 16-bit slices, `columns` by `rows`, whose value depends on column, row and slice.
pub fn nifti([columns, rows, slices]: [i16; 3], value: impl Fn(u32, u32, u32) -> i16) -> Vec<u8> {
    let mut bytes = vec![0; 352];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348_i32.to_le_bytes());
    for (index, side) in [3, columns, rows, slices, 1, 1, 1, 1]
        .into_iter()
        .enumerate()
    {
        put(40 + 2 * index, &side.to_le_bytes());
    }
    put(70, &4_i16.to_le_bytes());
    put(72, &16_i16.to_le_bytes());
    for index in 0..8 {
        put(76 + 4 * index, &1.0_f32.to_le_bytes());
    }
    put(108, &352.0_f32.to_le_bytes());
    put(112, &1.0_f32.to_le_bytes());
    put(344, b"n+1\0");
    for z in 0..slices as u32 {
        for y in 0..rows as u32 {
            for x in 0..columns as u32 {
                bytes.extend(value(x, y, z).to_le_bytes());
            }
        }
    }
    bytes
}

/// `veraray audit` with the bench's checkpoint.
pub fn audit(bench: &Bench, arguments: &[&str]) -> Output {
    veraray()
        .args(["audit", "--quiet", "--device", "cpu", "--checkpoint"])
        .arg(&bench.checkpoint)
        .args(arguments)
        .output()
        .unwrap()
}

/// What a command printed, as JSON.
pub fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}
