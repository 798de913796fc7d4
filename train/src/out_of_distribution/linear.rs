//! The little linear algebra that a covariance needs.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;

/// Rounds of orthogonal iteration: enough to separate components that differ by a few percent.
const ROUNDS: usize = 100;

/// A symmetric matrix, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Symmetric {
    pub(super) side: usize,
    pub(super) values: Vec<f64>,
}

impl Symmetric {
    /// Mean of the outer products of rows with themselves.
    pub(super) fn second_moments(rows: &[Vec<f64>], side: usize) -> Self {
        let empty = || vec![0.0; side * side];
        let mut values = rows
            .par_chunks(256)
            .map(|chunk| {
                let mut sums = empty();
                for row in chunk {
                    for (i, a) in row.iter().enumerate() {
                        let line = &mut sums[i * side..(i + 1) * side];
                        for (sum, b) in line.iter_mut().zip(row) {
                            *sum += a * b;
                        }
                    }
                }
                sums
            })
            // Added up in the order of the rows, so that the same rows give the same bits.
            .collect::<Vec<_>>()
            .into_iter()
            .fold(empty(), |mut all, part| {
                all.iter_mut().zip(part).for_each(|(a, b)| *a += b);
                all
            });
        let count = rows.len().max(1) as f64;
        for value in &mut values {
            *value /= count;
        }
        Self { side, values }
    }

    pub(super) fn trace(&self) -> f64 {
        (0..self.side).map(|i| self.values[i * self.side + i]).sum()
    }

    fn times(&self, vector: &[f64]) -> Vec<f64> {
        let lines = self.values.chunks_exact(self.side);
        lines.map(|line| dot(line, vector)).collect()
    }

    /// The leading eigenvectors with their eigenvalues, the largest first, by orthogonal iteration.
    pub(super) fn leading(&self, count: usize) -> Vec<(Vec<f64>, f64)> {
        let mut rng = StdRng::seed_from_u64(1);
        let mut basis: Vec<Vec<f64>> = (0..count.min(self.side))
            .map(|_| (0..self.side).map(|_| rng.random::<f64>() - 0.5).collect())
            .collect();
        for _ in 0..ROUNDS {
            basis = basis.par_iter().map(|vector| self.times(vector)).collect();
            orthonormalise(&mut basis);
        }
        let mut found: Vec<(Vec<f64>, f64)> = basis
            .into_iter()
            .map(|vector| {
                let value = dot(&vector, &self.times(&vector));
                (vector, value)
            })
            .collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found
    }

    /// Solves `self · x = right` by Cholesky's decomposition. `None` when the matrix is not positive
    /// definite.
    pub(super) fn solve(&self, right: &[f64]) -> Option<Vec<f64>> {
        let n = self.side;
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let done = dot(&lower[i * n..i * n + j], &lower[j * n..j * n + j]);
                let left = self.values[i * n + j] - done;
                lower[i * n + j] = if i == j {
                    if left <= 0.0 {
                        return None;
                    }
                    left.sqrt()
                } else {
                    left / lower[j * n + j]
                };
            }
        }
        let mut x = right.to_vec();
        for i in 0..n {
            x[i] = (x[i] - dot(&lower[i * n..i * n + i], &x[..i])) / lower[i * n + i];
        }
        for i in (0..n).rev() {
            let above: f64 = (i + 1..n).map(|k| lower[k * n + i] * x[k]).sum();
            x[i] = (x[i] - above) / lower[i * n + i];
        }
        Some(x)
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gram and Schmidt's process, twice over for the rounding.
fn orthonormalise(basis: &mut [Vec<f64>]) {
    for index in 0..basis.len() {
        let (before, rest) = basis.split_at_mut(index);
        let vector = &mut rest[0];
        for _ in 0..2 {
            for other in before.iter() {
                let share = dot(vector, other);
                vector
                    .iter_mut()
                    .zip(other)
                    .for_each(|(a, b)| *a -= share * b);
            }
        }
        let length = dot(vector, vector).sqrt().max(f64::MIN_POSITIVE);
        vector.iter_mut().for_each(|a| *a /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_and_solutions_are_those_of_a_known_matrix() {
        // Eigenvalues 4, 2 and 1 along (1, 1, 0), (1, -1, 0) and (0, 0, 1).
        let matrix = Symmetric {
            side: 3,
            values: vec![3.0, 1.0, 0.0, 1.0, 3.0, 0.0, 0.0, 0.0, 1.0],
        };
        let found = matrix.leading(2);
        assert!((found[0].1 - 4.0).abs() < 1e-9 && (found[1].1 - 2.0).abs() < 1e-9);
        assert!((found[0].0[0].abs() - 0.5f64.sqrt()).abs() < 1e-6);
        let x = matrix.solve(&[4.0, 4.0, 5.0]).unwrap();
        for (found, expected) in x.into_iter().zip([1.0, 1.0, 5.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
        let flat = Symmetric {
            side: 2,
            values: vec![1.0, 1.0, 1.0, 1.0],
        };
        assert_eq!(flat.solve(&[1.0, 2.0]), None);
        let rows = [vec![1.0, 2.0], vec![3.0, -2.0]];
        let moments = Symmetric::second_moments(&rows, 2);
        assert_eq!(moments.values, [5.0, -2.0, -2.0, 4.0]);
        assert_eq!(moments.trace(), 9.0);
    }
}
