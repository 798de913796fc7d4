//! Screenshots: window borders around an image, and writing on it.

use image::Luma;
use rand::Rng;
use rand::rngs::StdRng;

use super::Grey;

/// Widest border, as a share of the side.
const WIDEST: f32 = 0.12;

/// Most lines of writing.
const MOST_LINES: usize = 3;

/// Glyphs of 5×7 dots, a row per byte, most significant of five bits on the left.
const GLYPHS: [[u8; 7]; 16] = [
    [
        0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110,
    ], // 0
    [
        0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110,
    ], // 1
    [
        0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111,
    ], // 2
    [
        0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110,
    ], // 3
    [
        0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010,
    ], // 4
    [
        0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110,
    ], // 5
    [
        0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110,
    ], // 6
    [
        0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000,
    ], // 7
    [
        0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110,
    ], // 8
    [
        0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100,
    ], // 9
    [
        0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111,
    ], // L
    [
        0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001,
    ], // R
    [
        0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001,
    ], // A
    [
        0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000,
    ], // P
    [
        0b00000, 0b00100, 0b00000, 0b00000, 0b00100, 0b00000, 0b00000,
    ], // :
    [
        0b00000, 0b00000, 0b00000, 0b11111, 0b00000, 0b00000, 0b00000,
    ], // -
];

/// Puts even borders on up to four sides and writes up to three short lines. What they cover is no
/// longer the image, so the mask is cleared there.
pub(super) fn frame(image: &mut Grey, mask: &mut Grey, rng: &mut StdRng) {
    let side = image.width();
    let tone: f32 = if rng.random_bool(0.7) {
        rng.random_range(0.0..0.2)
    } else {
        rng.random_range(0.8..1.0)
    };
    let margins: [u32; 4] = std::array::from_fn(|_| {
        let wanted = rng.random_bool(0.5);
        let share = rng.random_range(0.01..WIDEST);
        if wanted {
            (share * side as f32) as u32
        } else {
            0
        }
    });
    let [top, right, bottom, left] = margins;
    for (x, y, Luma([value])) in image.enumerate_pixels_mut() {
        if y < top || y >= side - bottom || x < left || x >= side - right {
            *value = tone;
            mask.put_pixel(x, y, Luma([0.0]));
        }
    }
    for _ in 0..rng.random_range(0..=MOST_LINES) {
        write(image, mask, rng);
    }
}

/// Writes one line of random characters near a corner.
fn write(image: &mut Grey, mask: &mut Grey, rng: &mut StdRng) {
    let side = image.width();
    let scale = rng.random_range(1..=(side / 128).max(1) + 1);
    let count = rng.random_range(1..=10u32);
    let tone: f32 = if rng.random_bool(0.8) { 1.0 } else { 0.0 };
    let (width, height) = (6 * scale * count, 7 * scale);
    let place = |extent: u32, rng: &mut StdRng| {
        let margin = rng.random_range(2..=side / 12);
        let far = side.saturating_sub(extent + margin);
        if rng.random_bool(0.5) {
            margin.min(far)
        } else {
            far
        }
    };
    let (left, top) = (place(width, rng), place(height, rng));
    for character in 0..count {
        let glyph = GLYPHS[rng.random_range(0..GLYPHS.len())];
        for y in 0..7 * scale {
            for x in 0..5 * scale {
                let (column, row) = (left + character * 6 * scale + x, top + y);
                let dot = glyph[(y / scale) as usize] >> (4 - x / scale) & 1;
                if dot == 1 && column < side && row < side {
                    image.put_pixel(column, row, Luma([tone]));
                    mask.put_pixel(column, row, Luma([0.0]));
                }
            }
        }
    }
}
