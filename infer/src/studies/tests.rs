//! What the sums over series and studies promise.

use super::*;

fn add(studies: &mut Studies, path: &str, series: [&str; 2], verdict: Verdict, z: Option<f64>) {
    studies.add(&Seen {
        path,
        study: Some(series[0]),
        series: Some(series[1]),
        modality: Some("CT"),
        frames: Some(1),
        verdict: Some(verdict),
        place: z.map(|z| [0.0, 0.0, 1.0, z]),
    });
}

#[test]
fn a_study_is_as_bad_as_its_worst_image() {
    let mut studies = Studies::default();
    add(&mut studies, "a", ["1", "1.1"], Verdict::Authentic, None);
    add(&mut studies, "b", ["1", "1.2"], Verdict::Abstain, None);
    add(&mut studies, "c", ["2", "2.1"], Verdict::Authentic, None);
    add(&mut studies, "d", ["2", "2.1"], Verdict::Tampered, None);
    add(&mut studies, "e", ["3", "3.1"], Verdict::Synthetic, None);
    let found = studies.several();
    let seen: Vec<_> = found
        .iter()
        .map(|study| (study.uid.as_deref(), study.verdict))
        .collect();
    // The study of one image is not listed.
    assert_eq!(
        seen,
        [
            (Some("2"), Some(Verdict::Tampered)),
            (Some("1"), Some(Verdict::Abstain))
        ]
    );
    assert_eq!(found[0].series[0].flagged[0].number, 3);
    assert_eq!(
        studies.lines(),
        [
            "study 2: 2 images, 1 flagged: tampered (d)",
            "study 1: 2 images, 0 flagged: abstain",
            "  series 1.2 (CT): 1 image, 0 flagged: abstain",
            "  series 1.1 (CT): 1 image, 0 flagged: authentic",
        ]
    );
}

#[test]
fn a_lone_slice_is_overruled_by_place_not_by_order() {
    let mut studies = Studies::default();
    let verdict = |flagged| match flagged {
        true => Verdict::Tampered,
        false => Verdict::Authentic,
    };
    // Scanned as 0, 2, 4, 1, 3: neighbours by place are 1 and 2.
    for (path, z, flagged) in [("0", 0.0, false), ("2", 2.0, true), ("4", 4.0, false)] {
        add(&mut studies, path, ["1", "1.1"], verdict(flagged), Some(z));
    }
    let one = studies.several().remove(0);
    assert_eq!(
        (one.verdict, one.flagged, one.overruled),
        (Some(Verdict::Authentic), 1, 1)
    );
    assert!(studies.lines()[0].ends_with("overrule: authentic (2)"));
    add(
        &mut studies,
        "1",
        ["1", "1.1"],
        Verdict::Tampered,
        Some(1.0),
    );
    add(
        &mut studies,
        "3",
        ["1", "1.1"],
        Verdict::Authentic,
        Some(3.0),
    );
    let one = studies.several().remove(0);
    assert_eq!(
        (one.verdict, one.flagged, one.overruled),
        (Some(Verdict::Tampered), 2, 0)
    );
}

#[test]
fn other_planes_and_images_without_a_place_are_no_neighbours() {
    let mut studies = Studies::default();
    for z in 0..4 {
        add(
            &mut studies,
            "a",
            ["1", "1.1"],
            Verdict::Authentic,
            Some(f64::from(z)),
        );
    }
    add(&mut studies, "b", ["1", "1.1"], Verdict::Synthetic, None);
    assert_eq!(studies.several()[0].verdict, Some(Verdict::Synthetic));
    let mut studies = Studies::default();
    add(
        &mut studies,
        "a",
        ["1", "1.1"],
        Verdict::Authentic,
        Some(0.0),
    );
    add(
        &mut studies,
        "a",
        ["1", "1.1"],
        Verdict::Authentic,
        Some(2.0),
    );
    studies.add(&Seen {
        path: "scout",
        study: Some("1"),
        series: Some("1.1"),
        modality: None,
        frames: Some(1),
        verdict: Some(Verdict::Synthetic),
        place: Some([1.0, 0.0, 0.0, 1.0]),
    });
    assert_eq!(studies.several()[0].overruled, 0);
}
