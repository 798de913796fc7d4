//! A screenshot: the image on a viewer's background, scaled, with lettering in its corners.

use veraray_datasets::Plane;
use veraray_model::lanczos3;

/// Grey of the viewer around the image.
const BACKGROUND: f32 = 0.08;

/// Five rows of three pixels per letter: enough to be lettering to a network, no more.
const LETTERS: [[u8; 5]; 6] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b101, 0b101, 0b111, 0b101, 0b101],
    [0b111, 0b100, 0b110, 0b100, 0b111],
    [0b110, 0b101, 0b110, 0b100, 0b100],
];

/// The tile as a viewer shows it at `scale` in `(0, 1]`, in eight bits. The mask follows.
pub(super) fn screenshot(plane: &Plane, scale: f32) -> Plane {
    let side = plane.side;
    let inner = ((side as f32 * scale).round() as usize).clamp(8, side);
    let shrink = |values: &[f32]| lanczos3(values, [side; 2], [inner; 2]);
    let (pixels, mask) = (shrink(&plane.pixels), shrink(&plane.mask));
    let margin = (side - inner) / 2;
    let mut shown = Plane {
        side,
        pixels: vec![BACKGROUND; side * side],
        mask: vec![0.0; side * side],
    };
    for y in 0..inner {
        let (from, to) = (y * inner, (y + margin) * side + margin);
        shown.pixels[to..to + inner].copy_from_slice(&pixels[from..from + inner]);
        shown.mask[to..to + inner].copy_from_slice(&mask[from..from + inner]);
    }
    let size = (side / 128).max(1);
    for (line, corner) in [[4, 4], [4, side / 2], [side - 4 - 6 * size, 4]]
        .into_iter()
        .enumerate()
    {
        write(&mut shown, corner, size, line);
    }
    for value in &mut shown.pixels {
        *value = (value.clamp(0.0, 1.0) * 255.0).round() / 255.0;
    }
    shown
}

/// Writes a line of letters with its upper left corner at `[row, column]`.
fn write(plane: &mut Plane, [top, left]: [usize; 2], size: usize, line: usize) {
    for position in 0..8 {
        let letter = LETTERS[(position * 5 + line * 3) % LETTERS.len()];
        for y in 0..5 * size {
            for x in 0..3 * size {
                let lit = letter[y / size] >> (2 - x / size) & 1 == 1;
                let (row, column) = (top + y, left + position * 4 * size + x);
                if lit && row < plane.side && column < plane.side {
                    plane.pixels[row * plane.side + column] = 0.95;
                }
            }
        }
    }
}
