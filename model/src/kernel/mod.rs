//! Convolution and batch normalisation for the CPU, on plain slices.
//!
//! Burn's CPU backend computes a convolution's weight gradient as a convolution with a kernel as
//! large as the image and composes batch normalisation of some ten elementwise passes; on the
//! detector's shapes that made training several times slower than the arithmetic needs. What is
//! here keeps register tiles full instead: every convolution becomes *taps*, that is pairs of an
//! offset into a padded copy of the sample and a column of weights, over one flat run of positions.
//! The padding column between two rows is computed and thrown away, so that no tile ends at a row.
//!
//! - [`Geometry`]: where the taps of a convolution lie.
//! - [`taps`]: many channels from many taps (forward, and the gradient of the input).
//! - [`correlate`]: the gradient of the weights.
//! - [`infer`]: convolution, normalisation, residual and rectifier over a batch, with known statistics;
//!   most of them by [`winograd`].
//! - [`layer`], [`gradient`]: the same in training, forward and backward.
//! - [`stem`], [`blocks`], [`levels`]: the fixed filters before the first parameters.
//!
//! Batches are cut at places that depend on shapes alone and sums are taken in a fixed order:
//! results do not depend on the number of threads.

pub(crate) mod blocks;
mod correlate;
mod geometry;
pub(crate) mod gradient;
pub(crate) mod infer;
pub(crate) mod layer;
pub(crate) mod levels;
mod passes;
mod planes;
pub(crate) mod pool;
mod scratch;
pub(crate) mod stem;
mod taps;
mod winograd;

pub(crate) use geometry::Geometry;

#[cfg(test)]
mod tests;
