//! Reasons in plain words, for the radiologist who reads them.

use veraray_model::{OutOfDistribution, Unfamiliarity};

use crate::Region;
use crate::frames::ScoredFrame;

/// A share as a percentage: `1 %`, `0.1 %`.
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Numbers with as many decimals as it takes to tell those apart that differ, two to six.
pub(crate) fn apart<const N: usize>(numbers: [f64; N]) -> [String; N] {
    let at = |digits: usize| numbers.map(|number| format!("{number:.digits$}"));
    let told = |shown: &[String; N]| {
        (0..N).all(|a| (0..a).all(|b| numbers[a] == numbers[b] || shown[a] != shown[b]))
    };
    (2..6).map(at).find(told).unwrap_or_else(|| at(6))
}

/// Why an image is flagged.
pub(crate) fn flagged(score: f64, threshold: f64, false_alarms: Option<f64>) -> String {
    let [shown, limit] = apart([score, threshold]);
    let relation = if score > threshold {
        "is above"
    } else {
        "reaches"
    };
    match false_alarms {
        Some(rate) => {
            format!(
                "score {shown} {relation} the threshold {limit} for {} false alarms",
                percent(rate)
            )
        }
        None => format!(
            "score {shown} {relation} the threshold {limit}, whose false-alarm rate was not measured"
        ),
    }
}

/// How many regions there are and where the strongest is.
pub(crate) fn regions(regions: &[Region], frames: u32) -> Option<String> {
    // One that a neighbouring frame has too says more than one that stands alone.
    let strongest = regions.iter().max_by(|a, b| {
        let agreed = |region: &Region| region.neighbours > 0;
        agreed(a).cmp(&agreed(b)).then(a.score.total_cmp(&b.score))
    })?;
    let [x0, y0, x1, y1] = strongest.bbox;
    let place = format!("columns {x0}–{x1}, rows {y0}–{y1}");
    let frame = match frames {
        1 => String::new(),
        _ => {
            let beside = match strongest.neighbours {
                0 => "not seen in the frames beside it",
                _ => "seen beside it too",
            };
            format!(" of frame {}, {beside}", strongest.frame)
        }
    };
    Some(match regions.len() {
        1 => format!("1 suspicious region, at {place}{frame}"),
        count => format!("{count} suspicious regions, the strongest at {place}{frame}"),
    })
}

/// Why a score gives no verdict.
pub(crate) fn too_close(score: f64, [low, high]: [f64; 2]) -> String {
    let [low, high] = apart([low, high]);
    format!("score {score:.2} lies between {low} and {high}, too close to call")
}

/// Why a modality gives no verdict.
pub(crate) fn untrained(modality: &str, trained: &[String]) -> String {
    let trained = match trained {
        [] => "none declared".to_owned(),
        list => list.join(", "),
    };
    format!("the detector was not trained on modality {modality} ({trained})")
}

/// Says which slices stood out alone and so counted less. `scores` are those of `frames`, `lone` the
/// places of the slices in question.
pub(crate) fn overruled(frames: &[ScoredFrame], scores: &[f64], lone: &[usize]) -> Option<String> {
    let of = |place: usize| scores.get(place).copied().unwrap_or(0.0);
    let highest = *lone.iter().max_by(|&&a, &&b| of(a).total_cmp(&of(b)))?;
    let before = highest.checked_sub(1).map_or(0.0, of);
    let [shown, beside] = apart([of(highest), before.max(of(highest + 1))]);
    let more = match lone.len() - 1 {
        0 => String::new(),
        1 => "; so does 1 slice more".to_owned(),
        count => format!("; so do {count} slices more"),
    };
    let slice = frames.get(highest)?.index;
    Some(format!(
        "slice {slice} alone scores {shown}, the slices beside it at most {beside}: it counts no more \
         than they do{more}"
    ))
}

/// Why a verdict is withheld that a harmless change of the image turns round.
pub(crate) fn unstable(change: &str, [before, after]: [f64; 2], threshold: f64) -> String {
    let [shown, changed, limit] = apart([before, after, threshold]);
    let side = if after >= threshold { "above" } else { "below" };
    format!(
        "the verdict does not hold: after {change} the score is {changed} instead of {shown}, {side} \
         the threshold {limit}"
    )
}

/// Why an image is unlike those that the detector knows; nothing when it is not.
pub(crate) fn unfamiliar(found: Unfamiliarity, known: &OutOfDistribution) -> Vec<String> {
    let [far, reduced] = known.exceeded(found);
    let mut reasons = Vec::new();
    if far {
        let [distance, limit] = apart([found.distance, known.limits[0]]);
        reasons.push(format!(
            "unlike any image the detector knows: distance {distance}, limit {limit} (1 is typical)"
        ));
    }
    if reduced {
        let [measure, limit] = apart([found.reduction, known.limits[1]]);
        reasons.push(format!(
            "unlike any image the detector knows: it looks reduced and enlarged again further than \
             those, distance {measure}, limit {limit} (0 is typical)"
        ));
    }
    reasons
}

/// Says that not every frame was looked at.
pub(crate) fn subsampled(scored: usize, frames: u32) -> Option<String> {
    (scored < frames as usize).then(|| format!("{scored} of {frames} frames scored"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_well() {
        assert_eq!(
            flagged(0.98, 0.91, Some(0.01)),
            "score 0.98 is above the threshold 0.91 for 1 % false alarms"
        );
        assert_eq!(percent(0.001), "0.1 %");
        assert_eq!(apart([0.9101, 0.91]), ["0.9101", "0.9100"]);
        assert_eq!(apart([0.5, 0.5]), ["0.50", "0.50"]);
        assert_eq!(
            subsampled(32, 155).as_deref(),
            Some("32 of 155 frames scored")
        );
        assert_eq!(subsampled(1, 1), None);
        let region = |frame| Region {
            frame,
            bbox: [1, 2, 30, 40],
            score: 0.5,
            neighbours: 0,
        };
        assert_eq!(
            regions(&[region(0)], 1).as_deref(),
            Some("1 suspicious region, at columns 1–30, rows 2–40")
        );
        let alone = regions(&[region(7), region(2)], 9);
        assert!(alone.is_some_and(|text| text.contains("of frame 2, not seen")));
        let agreed = Region {
            score: 0.4,
            neighbours: 1,
            ..region(3)
        };
        let text = regions(&[region(7), agreed], 9);
        assert!(text.is_some_and(|text| text.ends_with("of frame 3, seen beside it too")));
        assert_eq!(
            unstable("saving as JPEG", [0.91, 0.52], 0.9),
            "the verdict does not hold: after saving as JPEG the score is 0.52 instead of 0.91, below \
             the threshold 0.90"
        );
        assert_eq!(regions(&[], 1), None);
    }
}
