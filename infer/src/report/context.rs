//! What a page says of the scan as a whole.

use veraray_model::{Card, DetectorConfig};

use crate::judge::Operating;
use crate::wording::percent;

/// The checkpoint and the threshold in force, for people.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) model: String,
    pub(crate) sha256: String,
    pub(crate) device: String,
    pub(crate) operating: Operating,
    /// Scores that are not judged.
    pub(crate) band: Option<[f64; 2]>,
    pub(crate) map_threshold: f64,
    pub(crate) modalities: Vec<String>,
    pub(crate) families: Vec<String>,
    pub(crate) limits: Vec<String>,
    pub(crate) architecture: DetectorConfig,
}

impl Context {
    pub(crate) fn new(card: &Card, sha256: &str, device: &str, operating: Operating) -> Self {
        Self {
            model: format!("{} {}", card.name, card.version),
            sha256: sha256.to_owned(),
            device: device.to_owned(),
            operating,
            band: card.calibration.abstention_band,
            map_threshold: card.calibration.map_threshold,
            modalities: card.modalities.clone(),
            families: card.families.clone(),
            limits: card.limits.clone(),
            architecture: card.architecture.clone(),
        }
    }

    /// The threshold with what it means.
    pub(crate) fn threshold(&self) -> String {
        let Operating {
            threshold,
            false_alarms,
        } = self.operating;
        match false_alarms {
            Some(rate) => format!(
                "{threshold:.4}, chosen so that {} of authentic images are flagged by mistake",
                percent(rate)
            ),
            None => format!("{threshold:.4}, whose false-alarm rate was not measured"),
        }
    }
}
