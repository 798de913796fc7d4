//! Copies in drawn pictures, and what looks like them.

use super::*;

/// A ramp with grain of some levels, a straight edge, and a caption that stands there twice.
fn picture(side: usize) -> Plane {
    let grain = |x: usize, y: usize| {
        let mut hash = (x as u64) << 32 | y as u64;
        hash = (hash ^ hash >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        hash = (hash ^ hash >> 32).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((hash >> 40) % 9) as f32
    };
    let glyph = |x: usize, y: usize| (x * y + x / 3) % 5 < 2;
    let value = |x: usize, y: usize| {
        let caption = |left: usize| {
            (left..left + 40).contains(&x) && (10..22).contains(&y) && glyph(x - left, y)
        };
        let edge = if x + 40 > side { 90.0 } else { 0.0 };
        if caption(20) || caption(100) {
            255.0
        } else {
            60.0 + 0.2 * y as f32 + edge + grain(x, y)
        }
    };
    Plane {
        rows: side,
        columns: side,
        values: (0..side * side)
            .map(|at| value(at % side, at / side).round())
            .collect(),
    }
}

/// A disc brought from one centre to another, to another level and contrast.
fn pasted(
    mut plane: Plane,
    from: [usize; 2],
    to: [usize; 2],
    radius: usize,
    mirrored: bool,
) -> Plane {
    let old = plane.values.clone();
    for y in 0..2 * radius {
        for x in 0..2 * radius {
            if (y as f32 - radius as f32).hypot(x as f32 - radius as f32) < radius as f32 {
                let u = if mirrored { 2 * radius - x } else { x };
                let source = old[(from[0] + y - radius) * plane.columns + from[1] + u - radius];
                let target = (to[0] + y - radius) * plane.columns + to[1] + x - radius;
                plane.values[target] = (0.9 * source + 12.0).round();
            }
        }
    }
    plane
}

#[test]
fn a_copied_region_is_found_with_both_places() {
    for mirrored in [false, true] {
        let plane = pasted(picture(192), [120, 60], [80, 110], 14, mirrored);
        let hit = find(&plane).unwrap();
        assert_eq!(hit.mirrored, mirrored);
        assert!(hit.correlation > 0.9, "{hit:?}");
        let mut centres = hit
            .places
            .map(|[top, left, bottom, right]| [(top + bottom) / 2, (left + right) / 2]);
        centres.sort_unstable();
        for (found, expected) in centres.iter().zip([[80, 110], [120, 60]]) {
            let near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2);
            assert!(near, "{hit:?}");
        }
    }
}

#[test]
fn grain_edges_captions_and_flat_pictures_are_no_copies() {
    assert_eq!(find(&picture(192)), None);
    let flat = Plane {
        rows: 64,
        columns: 64,
        values: vec![7.0; 4096],
    };
    assert_eq!(find(&flat), None);
    // Every pixel four times over, and a pattern that repeats.
    let wide = picture(96);
    let twice = |at: usize| wide.values[at / 192 / 2 * 96 + at % 192 / 2];
    let enlarged = Plane {
        rows: 192,
        columns: 192,
        values: (0..192 * 192).map(twice).collect(),
    };
    assert_eq!(find(&enlarged), None);
    let tiled = |at: usize| ((at % 192 % 16) * 7 + (at / 192 % 16) * 11) as f32 % 23.0;
    let tiles = Plane {
        rows: 192,
        columns: 192,
        values: (0..192 * 192).map(tiled).collect(),
    };
    assert_eq!(find(&tiles), None);
    let small = Plane {
        rows: 8,
        columns: 8,
        values: vec![0.0; 64],
    };
    assert_eq!(find(&small), None);
}
