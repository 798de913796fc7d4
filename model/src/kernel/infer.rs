//! Convolution, normalisation by known statistics, residual and rectifier over a batch.
//!
//! Every sample is cut into strips of output rows, small enough that what a strip reads and writes stays
//! in the cache of its core. Threads share samples, or the strips where there are fewer samples than
//! threads. No value depends on where a strip ends.

use pulp::Arch;

use super::geometry::Geometry;
use super::layer::{batch, each, pack_forward, samples};
use super::passes::Finish;
use super::planes::{Pad, SLACK, strips};
use super::pool;
use super::scratch::{self, Slot};
use super::taps::{BLOCK, Taps, padded_positions};
use super::winograd::{self, Winograd};

/// Positions of a strip, about: what a block of channels writes then takes 64 KiB.
const POSITIONS: usize = 2048;

/// What follows a convolution with known statistics: `conv · scale + shift + residual`, rectified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail<'a> {
    /// Factor and summand of every output channel.
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    /// Added to the output; of its shape.
    pub residual: Option<&'a [f32]>,
    pub rectify: bool,
}

/// Some rows of one sample's output.
pub(super) struct Strip<'a> {
    /// The sample: `[inputs, height, width]`.
    pub input: &'a [f32],
    /// What is added to the sample's output, of its shape.
    pub residual: Option<&'a [f32]>,
    /// The strip's rows of every output channel.
    pub output: Vec<&'a mut [f32]>,
    /// First row of the output.
    pub first: usize,
    pub rows: usize,
}

impl Strip<'_> {
    /// A channel's part: what is added, and the output.
    pub(super) fn channel(&mut self, g: &Geometry, channel: usize) -> (Option<&[f32]>, &mut [f32]) {
        let width = g.output_size()[1];
        let start = channel * g.output_plane() + self.first * width;
        let part = start..start + self.rows * width;
        (
            self.residual.map(|residual| &residual[part]),
            &mut *self.output[channel],
        )
    }
}

/// Convolution with known statistics.
///
/// # Shapes
/// - `input`: `[batch, inputs, height, width]`
/// - `weight`: `[outputs, inputs, kernel, kernel]`
/// - output: `[batch, outputs, height / stride, width / stride]`
pub(crate) fn forward(g: &Geometry, input: &[f32], weight: &[f32], tail: Tail<'_>) -> Vec<f32> {
    let arch = Arch::new();
    let size = g.outputs * g.output_plane();
    let batch = batch(g, input);
    let mut output = pool::take(batch * size);
    let kernel = Kernel::new(arch, g, weight);
    let threads = rayon::current_num_threads();
    let shared = batch < threads;
    let mut rows = kernel.rows(g);
    if shared {
        let parts = threads.div_ceil(batch.max(1));
        rows = rows.min(g.output_size()[0].div_ceil(parts).next_multiple_of(2));
    }
    let run = |strip: Strip<'_>| match &kernel {
        Kernel::Direct(packed) => direct(arch, g, packed, tail, strip),
        Kernel::Winograd(kernel) => kernel.strip(arch, g, tail, strip),
    };
    let samples = samples(g, input)
        .zip(output.chunks_exact_mut(size))
        .enumerate()
        .map(|(sample, (input, output))| {
            let residual = tail.residual.map(|r| &r[sample * size..][..size]);
            let height = g.output_size()[0];
            strips(output, g.output_size(), rows)
                .into_iter()
                .map(|(first, output)| Strip {
                    input,
                    residual,
                    output,
                    first,
                    rows: rows.min(height - first),
                })
                .collect::<Vec<_>>()
        });
    if shared {
        each(samples.flatten().collect(), run);
    } else {
        each(samples.collect(), |sample: Vec<Strip<'_>>| {
            sample.into_iter().for_each(&run);
        });
    }
    if let Kernel::Winograd(kernel) = kernel {
        kernel.recycle();
    }
    output
}

/// How a convolution is done, with its weights in the form for it.
enum Kernel {
    Direct(Vec<[f32; BLOCK]>),
    Winograd(Winograd),
}

impl Kernel {
    fn new(arch: Arch, g: &Geometry, weight: &[f32]) -> Self {
        if winograd::supports(g) {
            Self::Winograd(Winograd::new(arch, g, weight))
        } else {
            Self::Direct(pack_forward(g, weight))
        }
    }

    /// Rows of a strip.
    fn rows(&self, g: &Geometry) -> usize {
        match self {
            Self::Direct(_) => (POSITIONS / g.pitch()).max(1),
            Self::Winograd(_) => 2 * winograd::TILE_ROWS,
        }
    }
}

/// A strip by the definition.
fn direct(arch: Arch, g: &Geometry, packed: &[[f32; BLOCK]], tail: Tail<'_>, mut strip: Strip<'_>) {
    let s = Geometry {
        size: [strip.rows * g.stride, g.size[1]],
        ..*g
    };
    let offsets = s.offsets();
    let stride = padded_positions(s.positions());
    scratch::with(Slot::Input, s.padded() + SLACK, |padded| {
        arch.dispatch(Pad {
            strip: &s,
            input: strip.input,
            height: g.size[0],
            first: strip.first * g.stride,
            padded: &mut *padded,
        });
        scratch::with(Slot::Flat, BLOCK * stride, |flat| {
            for (block, weights) in packed.chunks_exact(offsets.len()).enumerate() {
                arch.dispatch(Taps {
                    input: padded,
                    offsets: &offsets,
                    weights,
                    positions: s.positions(),
                    output: flat,
                });
                let first = block * BLOCK;
                for (channel, source) in (first..g.outputs).zip(flat.chunks_exact(stride)) {
                    let (residual, output) = strip.channel(g, channel);
                    arch.dispatch(Finish {
                        source,
                        pitch: s.pitch(),
                        width: s.output_size()[1],
                        scale: tail.scale[channel],
                        shift: tail.shift[channel],
                        residual,
                        rectify: tail.rectify,
                        output,
                    });
                }
            }
        });
    });
}
