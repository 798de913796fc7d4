//! Neighbouring slices must agree.
//!
//! What a generator or a forger leaves in a volume reaches over several slices; what one slice alone
//! shows is a false alarm more often than not, and a volume has dozens of chances for one. So a slice
//! counts only as far as one of its neighbours shares its logit: `min(z, max(previous, next))`, the
//! greyscale opening of the sequence by two slices (Serra, "Image analysis and mathematical
//! morphology", 1982). Where two neighbours agree nothing changes, a peak of one slice becomes as high
//! as its higher neighbour, and a higher logit never lowers the volume's. Neighbours are those among
//! the slices scored; the first and the last slice have one. Images of one or two frames have no
//! neighbours enough and are left alone.

/// Fewest slices that can outvote one.
const LEAST: usize = 3;

/// Logits of slices in their order, each as far as a neighbour shares it. What is no number stays
/// none.
pub(crate) fn supported(logits: &[f64]) -> Vec<f64> {
    if logits.len() < LEAST {
        return logits.to_vec();
    }
    let at = |index: Option<usize>| {
        index
            .and_then(|index| logits.get(index))
            .copied()
            .unwrap_or(f64::NEG_INFINITY)
    };
    logits
        .iter()
        .enumerate()
        .map(|(index, &logit)| {
            let shared = at(index.checked_sub(1)).max(at(Some(index + 1)));
            // `min` would turn what is no number into a neighbour's.
            if logit.is_nan() {
                logit
            } else {
                logit.min(shared)
            }
        })
        .collect()
}

/// Which of the slices in order are flagged although no neighbour is.
pub(crate) fn lone(flagged: &[bool]) -> Vec<usize> {
    if flagged.len() < LEAST {
        return Vec::new();
    }
    let at = |index: Option<usize>| index.and_then(|index| flagged.get(index)) == Some(&true);
    (0..flagged.len())
        .filter(|&index| flagged[index] && !at(index.checked_sub(1)) && !at(Some(index + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_slice_counts_as_its_higher_neighbour_and_a_pair_stays() {
        assert_eq!(supported(&[0.0, 5.0, 1.0, 0.0]), [0.0, 1.0, 1.0, 0.0]);
        assert_eq!(supported(&[0.0, 5.0, 4.0, 0.0]), [0.0, 4.0, 4.0, 0.0]);
        assert_eq!(supported(&[9.0, 1.0, 2.0, 8.0]), [1.0, 1.0, 2.0, 2.0]);
        assert_eq!(supported(&[2.0; 5]), [2.0; 5]);
    }

    #[test]
    fn one_and_two_frames_are_left_alone() {
        assert_eq!(supported(&[7.0]), [7.0]);
        assert_eq!(supported(&[7.0, -7.0]), [7.0, -7.0]);
        assert!(supported(&[]).is_empty() && lone(&[true, false]).is_empty());
    }

    #[test]
    fn what_is_no_number_stays_none() {
        assert!(supported(&[1.0, f64::NAN, 1.0])[1].is_nan());
    }

    #[test]
    fn more_suspicion_never_counts_less() {
        let base = [0.3, -1.0, 2.0, 0.5, 1.5, -2.0];
        let before = supported(&base);
        for raised in 0..base.len() {
            let mut logits = base;
            logits[raised] += 1.0;
            let after = supported(&logits);
            assert!(before.iter().zip(&after).all(|(a, b)| a <= b));
        }
    }

    #[test]
    fn lone_slices_have_no_flagged_neighbour() {
        assert_eq!(lone(&[true, false, true, true, false, true]), [0, 5]);
        assert!(lone(&[true, true, false, false]).is_empty());
    }
}
