//! Small pictures inside a page.

use std::io::Cursor;

use image::{GrayImage, ImageFormat, imageops};
use veraray_datasets::Plane;

/// Side of a thumbnail in pixels.
const SIDE: u32 = 128;

/// A picture as a `data:` address; empty when there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thumbnail {
    /// The address.
    pub url: String,
}

impl Thumbnail {
    /// A small eight-bit picture of a tile.
    #[must_use]
    pub fn of(plane: &Plane) -> Self {
        let side = plane.side as u32;
        let grey = plane
            .pixels
            .iter()
            .map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8);
        let Some(mut picture) = GrayImage::from_raw(side, side, grey.collect()) else {
            return Self::default();
        };
        if side > SIDE {
            picture = imageops::resize(&picture, SIDE, SIDE, imageops::FilterType::Triangle);
        }
        let mut bytes = Cursor::new(Vec::new());
        match picture.write_to(&mut bytes, ImageFormat::Png) {
            Ok(()) => Self {
                url: format!("data:image/png;base64,{}", base64(bytes.get_ref())),
            },
            Err(_) => Self::default(),
        }
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = [
            chunk[0],
            *chunk.get(1).unwrap_or(&0),
            *chunk.get(2).unwrap_or(&0),
        ];
        let bits = three
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for digit in 0..4 {
            text.push(if digit <= chunk.len() {
                char::from(ALPHABET[(bits >> (18 - 6 * digit)) as usize & 63])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_test_vectors_of_the_standard() {
        // RFC 4648, section 10.
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_tile_becomes_a_picture() {
        let plane = Plane {
            side: 256,
            pixels: vec![0.5; 256 * 256],
            mask: vec![0.0; 256 * 256],
        };
        assert!(
            Thumbnail::of(&plane)
                .url
                .starts_with("data:image/png;base64,iVBOR")
        );
    }
}
