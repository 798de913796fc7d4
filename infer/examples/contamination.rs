//! Do the estimators of `veraray audit` keep what they promise? Simulated archives with a known
//! share of manipulated images, and a detector whose calibration is drawn anew every time.
//!
//! ```text
//! cargo run --release --example contamination -- [REPETITIONS] [SPREAD] [TARGET] > raw.csv
//! ```
//!
//! Every repetition draws 270 authentic and 300 manipulated validation images, calibrates as training
//! does (temperature and bias with both classes weighing the same, thresholds just above the highest
//! score that a rate lets pass), counts detections, and forgets the distributions. The adjusted count
//! and EM then see what a card holds. Logits are normal: authentic ones with deviation 1, manipulated
//! ones with deviation SPREAD, so far up that 90 % lie above the true 1 % threshold. With a SPREAD
//! other than 1 no calibration of the assumed form is right, which is intended.
//!
//! TARGET `archive` puts exactly the stated share into every archive of 2,000 images; `population`
//! draws it. Raw results go to standard output, the summary to standard error.
#![allow(clippy::print_stdout)]

use std::io::{self, BufWriter, Write};

#[allow(dead_code)]
#[path = "../src/contamination/stats/mod.rs"]
pub mod stats;

use stats::Target;
use stats::adjusted::Adjusted;
use stats::classes::Evidence;
use stats::mixture::Bootstrap;
use stats::random::Random;
use stats::rates::{ErrorRates, Rate};
use veraray_model::platt;

/// Shares of manipulated images.
pub const SHARES: [f64; 4] = [0.0, 0.01, 0.05, 0.2];
/// Names of the estimators.
pub const METHODS: [&str; 2] = ["adjusted_count", "em"];
const IMAGES: usize = 2000;
const AUTHENTIC: usize = 270;
const MANIPULATED: usize = 300;
const RATE: f64 = 0.01;
/// Fewer than an audit takes: what they lack adds to the error that is measured.
const REPLICATES: usize = 400;

/// What a card, and a user with known images, would know of one detector.
struct Card {
    /// Log-likelihood ratio of a logit.
    slope: f64,
    offset: f64,
    threshold: f64,
    adjusted: Adjusted,
    em: Bootstrap,
}

fn authentic(random: &mut Random) -> f64 {
    2.0 * random.normal() - 3.0
}

fn manipulated(random: &mut Random, spread: f64) -> f64 {
    // 1 % of authentic images lie above 2.3263, 90 % of manipulated ones above −1.2816.
    2.0 * (2.326_347_87 + spread * (1.281_551_57 + random.normal())) - 3.0
}

fn calibrated(random: &mut Random, spread: f64, target: Target) -> Card {
    let reals: Vec<f64> = (0..AUTHENTIC).map(|_| authentic(random)).collect();
    let fakes: Vec<f64> = (0..MANIPULATED)
        .map(|_| manipulated(random, spread))
        .collect();
    let [slope, offset] = platt(&reals, &fakes);
    let llr = |logits: &[f64]| -> Vec<f64> { logits.iter().map(|z| slope * z + offset).collect() };
    let (mut reals, fakes) = (llr(&reals), llr(&fakes));
    reals.sort_by(|a, b| b.total_cmp(a));
    let passed = (RATE * AUTHENTIC as f64).floor() as usize;
    let threshold = reals[passed].next_up();
    let detected = fakes.iter().filter(|llr| **llr >= threshold).count();
    let rates = ErrorRates {
        false_alarms: Rate::Threshold {
            passed: passed as u64,
            trials: AUTHENTIC as u64,
        },
        detections: Rate::Counted {
            events: detected as f64,
            trials: MANIPULATED as f64,
        },
    };
    let evidence = Evidence {
        alarms: rates.false_alarms.estimate(),
        detections: rates.detections.estimate(),
        images: [AUTHENTIC, MANIPULATED],
    };
    Card {
        slope,
        offset,
        threshold,
        adjusted: Adjusted::new(rates, target),
        em: Bootstrap::new(&evidence, REPLICATES).expect("the detector is better than chance"),
    }
}

/// Sums over repetitions of one method at one share.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Repetitions.
    pub count: f64,
    error: f64,
    /// Absolute errors.
    pub absolute: f64,
    square: f64,
    /// Intervals that end below the truth.
    pub below: f64,
    /// Intervals that begin above the truth.
    pub above: f64,
    width: f64,
    noticed: f64,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: f64| {
        arguments
            .get(index)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (repetitions, spread) = (number(0, 1000.0) as u64, number(1, 1.0));
    let target = match arguments.get(2).map(String::as_str) {
        Some("population") => Target::Population,
        _ => Target::Archive,
    };
    let mut raw = BufWriter::new(io::stdout().lock());
    let tallies = simulate(repetitions, spread, target, &mut raw)?;
    raw.flush()?;
    eprintln!("{repetitions} repetitions, spread {spread}, {target:?}; in percentage points");
    eprintln!(
        "| share | method | bias | mean error | RMSE | coverage | misses low/high | width | noticed |"
    );
    eprintln!("|---|---|---|---|---|---|---|---|---|");
    for (share, row) in SHARES.into_iter().zip(tallies) {
        for (tally, name) in row.into_iter().zip(METHODS) {
            let mean = |sum: f64| 100.0 * sum / tally.count;
            eprintln!(
                "| {:.0} % | {name} | {:+.2} | {:.2} | {:.2} | {:.1} | {:.1}/{:.1} | {:.2} | {:.1} |",
                share * 100.0,
                mean(tally.error),
                mean(tally.absolute),
                100.0 * (tally.square / tally.count).sqrt(),
                100.0 - mean(tally.below + tally.above),
                mean(tally.below),
                mean(tally.above),
                mean(tally.width),
                mean(tally.noticed),
            );
        }
    }
    Ok(())
}

/// Repeats calibration and audits; writes every estimate as a line.
///
/// # Errors
/// When a line cannot be written.
pub(crate) fn simulate(
    repetitions: u64,
    spread: f64,
    target: Target,
    raw: &mut dyn Write,
) -> io::Result<[[Tally; METHODS.len()]; SHARES.len()]> {
    writeln!(raw, "repetition,share,method,estimate,low,high")?;
    let mut tallies = [[Tally::default(); METHODS.len()]; SHARES.len()];
    for repetition in 0..repetitions {
        let mut random = Random::new(0xC0DE_0000 + repetition * 7919);
        let card = calibrated(&mut random, spread, target);
        for (share, row) in SHARES.into_iter().zip(&mut tallies) {
            let fakes = match target {
                Target::Archive => (share * IMAGES as f64).round() as usize,
                Target::Population => (0..IMAGES).filter(|_| random.unit() < share).count(),
            };
            let llrs: Vec<f64> = (0..IMAGES)
                .map(|index| match index < fakes {
                    true => manipulated(&mut random, spread),
                    false => authentic(&mut random),
                })
                .map(|logit| card.slope * logit + card.offset)
                .collect();
            let flagged = llrs.iter().filter(|llr| **llr >= card.threshold).count();
            let total = IMAGES as f64;
            let counted = card.adjusted.estimate(flagged as u64, IMAGES as u64);
            let em = card.em.estimate(&llrs, target, total);
            for (tally, (found, name)) in row.iter_mut().zip([counted, em].into_iter().zip(METHODS))
            {
                let error = found.value - share;
                tally.count += 1.0;
                tally.error += error;
                tally.absolute += error.abs();
                tally.square += error * error;
                tally.below += f64::from(u8::from(found.high < share - 1e-9));
                tally.above += f64::from(u8::from(found.low > share + 1e-9));
                tally.width += found.high - found.low;
                tally.noticed += f64::from(u8::from(found.low > 0.0));
                let (value, low, high) = (found.value, found.low, found.high);
                writeln!(
                    raw,
                    "{repetition},{share},{name},{value:.4},{low:.4},{high:.4}"
                )?;
            }
        }
    }
    Ok(tallies)
}
