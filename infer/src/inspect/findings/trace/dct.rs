//! The 8 × 8 cosine transform of blocks on a grid (ISO 10918-1 A.3.3).

use super::Plane;

/// Coefficients of one block, row-major: index `8 v + u` with horizontal frequency `u`.
pub(super) type Block = [f32; 64];

/// The orthonormal transform.
pub(super) struct Dct {
    basis: [[f32; 8]; 8],
}

impl Dct {
    pub(super) fn new() -> Self {
        let mut basis = [[0.0; 8]; 8];
        for (u, row) in basis.iter_mut().enumerate() {
            let scale = if u == 0 { (1.0_f32 / 8.0).sqrt() } else { 0.5 };
            for (x, value) in row.iter_mut().enumerate() {
                let angle = (2 * x + 1) as f32 * u as f32 * std::f32::consts::PI / 16.0;
                *value = scale * angle.cos();
            }
        }
        Self { basis }
    }

    fn block(&self, pixels: &Block) -> Block {
        let mut rows = [0.0; 64];
        for y in 0..8 {
            for u in 0..8 {
                rows[8 * y + u] = (0..8).map(|x| pixels[8 * y + x] * self.basis[u][x]).sum();
            }
        }
        let mut out = [0.0; 64];
        for v in 0..8 {
            for u in 0..8 {
                out[8 * v + u] = (0..8).map(|y| rows[8 * y + u] * self.basis[v][y]).sum();
            }
        }
        out
    }

    /// Transforms of at most `most` textured blocks of the grid that starts at `[x, y]`.
    ///
    /// Clipped pixels break the arithmetic of quantisation: blocks with such are taken only where
    /// there are few others.
    pub(super) fn blocks(&self, plane: &Plane, [x, y]: [usize; 2], most: usize) -> Vec<Block> {
        let across = plane.columns.saturating_sub(x) / 8;
        let down = plane.rows.saturating_sub(y) / 8;
        let total = across * down;
        // Twice as many are visited as are wanted, because flat ones are left out.
        let stride = (total / (2 * most.max(1))).max(1);
        // A stride that shares no factor with the width visits all columns.
        let stride = if stride > 1 && across.is_multiple_of(stride) {
            stride + 1
        } else {
            stride
        };
        let (mut clean, mut clipped) = (Vec::new(), Vec::new());
        for index in (0..total).step_by(stride) {
            if clean.len() >= most {
                break;
            }
            let (left, top) = (x + index % across * 8, y + index / across * 8);
            let mut pixels = [0.0; 64];
            for (row, line) in pixels.chunks_exact_mut(8).enumerate() {
                let start = (top + row) * plane.columns + left;
                line.copy_from_slice(&plane.values[start..start + 8]);
            }
            let first = pixels[0];
            if pixels.iter().all(|&p| (p - first).abs() < 1.5) {
                continue;
            }
            let ends = pixels.iter().filter(|&&p| p <= 0.0 || p >= 255.0).count();
            if ends == 0 {
                clean.push(self.block(&pixels));
            } else if ends < 32 && clipped.len() < most {
                clipped.push(self.block(&pixels));
            }
        }
        if clean.len() < FEW {
            clean.append(&mut clipped);
        }
        clean
    }
}

/// Fewer blocks without clipped pixels than these are not enough.
const FEW: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_keeps_energy_and_finds_a_cosine() {
        let dct = Dct::new();
        let mut pixels = [0.0; 64];
        for (index, pixel) in pixels.iter_mut().enumerate() {
            let x = (index % 8) as f32;
            *pixel = ((2.0 * x + 1.0) * 3.0 * std::f32::consts::PI / 16.0).cos();
        }
        let out = dct.block(&pixels);
        let energy: f32 = pixels.iter().map(|p| p * p).sum();
        assert!((out[3] * out[3] - energy).abs() < 1e-3);
    }
}
