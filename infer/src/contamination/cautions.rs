//! What a reader should know beside the figures.

use super::archive::Archive;
use super::findings::Share;
use super::knowledge::Knowledge;
use super::options::{ContaminationArgs, GroupArg, TargetArg};
use super::stats::Estimate;
use super::stats::adjusted::Adjusted;

/// What a reader should know before believing the figures.
pub(crate) fn cautions(
    archive: &Archive,
    adjusted: &Adjusted,
    count: &Estimate,
    em: Option<Share>,
    sources: usize,
    effect: f64,
) -> Vec<String> {
    let (total, flagged) = (archive.total(), archive.flagged());
    let mut warnings = Vec::new();
    if total == 0 {
        warnings.push("No image counts: nothing can be said of the prevalence.".into());
        return warnings;
    }
    if adjusted.place(flagged, total, 0) < 0.025 {
        warnings.push(
            "Fewer images are flagged than false alarms alone would let expect: the false-alarm rate \
             measured elsewhere may be too high for this archive."
                .into(),
        );
    }
    if let Some(em) = em
        && (em.low > count.high || count.low > em.high)
    {
        warnings.push(
            "The two estimates contradict each other: the calibration does not fit this archive, or \
             its manipulated images are of another kind than those it was made with. Label a sample."
                .into(),
        );
    }
    if sources > 1 {
        warnings.push(format!(
            "{sources} sources are compared: at 95 % each, about {:.1} intervals miss by chance; go by \
             the corrected p-value.",
            0.05 * sources as f64
        ));
    }
    if effect > 1.05 {
        warnings.push(format!(
            "Images of a group resemble each other: {total} count for {:.0} independent ones (design \
             effect {effect:.1}).",
            total as f64 / effect
        ));
    }
    warnings
}

/// What the figures take for granted.
pub(crate) fn assumptions(knowledge: &Knowledge, arguments: &ContaminationArgs) -> Vec<String> {
    let mut list = vec![
        "Authentic images here raise as many false alarms as those that the rate was measured on; a \
         site of other devices may raise more, and --authentic measures it."
            .to_owned(),
        match knowledge.families.len() {
            0 | 1 => "Manipulated images here are of the kind that the detection rate was measured on.",
            _ => "Manipulated images here are of the card's families, in its mixture; the table by \
                  family shows what another mixture would change.",
        }
        .to_owned(),
        "A family that the detector has never seen and misses is in neither estimate.".to_owned(),
        match arguments.target {
            TargetArg::Archive => {
                "The prevalence is that of the images counted, all of which were scored; only the \
                 detector's mistakes are uncertain."
            }
            TargetArg::Population => {
                "The images counted are a random sample of the whole that the prevalence is about."
            }
        }
        .to_owned(),
        match arguments.group {
            GroupArg::None => "Mistakes on different images are independent of each other.",
            GroupArg::Study => "Mistakes in different studies are independent of each other.",
            GroupArg::Folder => "Mistakes in different folders are independent of each other.",
        }
        .to_owned(),
    ];
    if knowledge.evidence.is_ok() {
        list.push(
            "EM also takes the calibrated scores for right in form: likelihood ratios of two normal \
             classes; the adjusted count does not."
                .to_owned(),
        );
    }
    list
}
