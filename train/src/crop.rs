//! Crops of training tiles: a small manipulated region fills more of a crop, and as many pixels hold
//! more examples.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use veraray_datasets::Plane;

/// A crop of a plane from a random place.
pub(crate) fn anywhere(plane: Plane, side: usize, rng: &mut StdRng) -> Plane {
    let last = plane.side - side;
    let corner = [rng.random_range(0..=last), rng.random_range(0..=last)];
    cropped(plane, corner, side)
}

/// Where to crop a manipulated plane, as row and column: anywhere when all of it is manipulated, else
/// around a manipulated pixel, so that the crop is what its label says.
pub(crate) fn corner(plane: &Plane, side: usize, rng: &mut StdRng) -> [usize; 2] {
    let last = plane.side - side;
    let marked: Vec<usize> = (0..plane.mask.len())
        .filter(|&at| plane.mask[at] > 0.5)
        .collect();
    let Some(&at) = marked.choose(rng).filter(|_| last > 0) else {
        return [rng.random_range(0..=last), rng.random_range(0..=last)];
    };
    [at / plane.side, at % plane.side].map(|position| {
        let low = (position + 1).saturating_sub(side);
        rng.random_range(low..=position.min(last))
    })
}

/// The square of a side whose first pixel lies in the given row and column.
pub(crate) fn cropped(plane: Plane, [top, left]: [usize; 2], side: usize) -> Plane {
    if side == plane.side {
        return plane;
    }
    let cut = |values: &[f32]| -> Vec<f32> {
        (top..top + side)
            .flat_map(|row| &values[row * plane.side + left..][..side])
            .copied()
            .collect()
    };
    Plane {
        side,
        pixels: cut(&plane.pixels),
        mask: cut(&plane.mask),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// Grey says where a pixel was; one manipulated pixel.
    fn plane(marked: usize) -> Plane {
        let side = 64;
        let mut mask = vec![0.0; side * side];
        mask[marked] = 1.0;
        Plane {
            side,
            pixels: (0..side * side).map(|at| at as f32).collect(),
            mask,
        }
    }

    #[test]
    fn a_crop_holds_the_manipulated_pixel_wherever_it_is() {
        let mut rng = StdRng::seed_from_u64(1);
        for marked in [0, 63, 64 * 63, 64 * 64 - 1, 64 * 31 + 17] {
            for _ in 0..50 {
                let plane = plane(marked);
                let corner = corner(&plane, 32, &mut rng);
                let crop = cropped(plane, corner, 32);
                assert_eq!(crop.side, 32);
                assert_eq!((crop.pixels.len(), crop.mask.len()), (1024, 1024));
                let at = crop.mask.iter().position(|&share| share > 0.5);
                assert_eq!(at.map(|at| crop.pixels[at]), Some(marked as f32));
            }
        }
    }

    #[test]
    fn rows_of_a_crop_lie_below_one_another() {
        let crop = cropped(plane(0), [3, 5], 2);
        let first = (3 * 64 + 5) as f32;
        assert_eq!(
            crop.pixels,
            [first, first + 1.0, first + 64.0, first + 65.0]
        );
        let whole = anywhere(plane(9), 64, &mut StdRng::seed_from_u64(2));
        assert_eq!(whole, plane(9));
    }
}
