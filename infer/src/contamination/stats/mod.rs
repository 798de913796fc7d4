//! The statistics of an audit: from scores and error rates to a prevalence with its interval.
//!
//! Nothing here knows of files, checkpoints or networks. Two estimators stand beside each other:
//! the adjusted count ([`adjusted`]), which needs the error rates at one threshold alone, and
//! expectation–maximisation on calibrated scores ([`mixture`]), which uses every score and trusts
//! the calibration.

pub(crate) mod adjusted;
pub(crate) mod classes;
pub(crate) mod groups;
pub(crate) mod mixture;
pub(crate) mod power;
pub(crate) mod random;
pub(crate) mod rates;
pub(crate) mod tail;

/// Mass outside of an interval, both ends together.
pub(crate) const ALPHA: f64 = 0.05;

/// What a prevalence is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The images that were scanned, all of them: only the detector's mistakes are uncertain.
    Archive,
    /// A larger whole that the scanned images are a random sample of.
    Population,
}

/// A share with its 95 % interval, all in `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Mass beyond one end of an interval. `plausible` is the probability of data like these, or further
/// out, when the parameter lies at that end of its range (no image, or every image manipulated).
/// Where that is small nearly no value would be left; then the end moves outwards, as in the CLs
/// method (Read, J. Phys. G 28, 2002).
pub(crate) fn end_mass(plausible: f64) -> f64 {
    ALPHA / 2.0 * (plausible / 0.5).min(1.0)
}
