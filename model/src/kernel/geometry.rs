//! Where the taps of a convolution lie in padded copies of its input and of its output's gradient.

/// A square convolution with odd kernel 1 or 3, padding of half the kernel, and stride 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Input rows and columns.
    pub size: [usize; 2],
    /// Side of the kernel, 1 or 3.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
}

/// Taps of one phase of the input's gradient: which kernel element, at which offset.
#[derive(Debug)]
pub(super) struct Phase {
    /// Index of the kernel element in raster order and its offset from a position.
    pub taps: Vec<(usize, usize)>,
}

impl Geometry {
    /// Whether the kernels handle such a convolution.
    pub(crate) fn supports(kernel: usize, stride: usize) -> bool {
        matches!(kernel, 1 | 3) && matches!(stride, 1 | 2)
    }

    /// Output rows and columns.
    pub(crate) fn output_size(&self) -> [usize; 2] {
        self.size.map(|side| side.div_ceil(self.stride))
    }

    /// Elements of one output channel.
    pub(crate) fn output_plane(&self) -> usize {
        self.output_size().iter().product()
    }

    /// Elements of one input channel.
    pub(crate) fn input_plane(&self) -> usize {
        self.size.iter().product()
    }

    /// Taps per output.
    pub(crate) fn taps(&self) -> usize {
        self.inputs * self.kernel * self.kernel
    }

    /// Columns and rows of zeros around the input.
    pub(super) fn padding(&self) -> usize {
        self.kernel / 2
    }

    /// Distance between two rows of positions. The zeros after a row are those before the next.
    pub(super) fn pitch(&self) -> usize {
        self.output_size()[1] + self.padding()
    }

    /// Flat positions of one output channel, padding columns included.
    pub(super) fn positions(&self) -> usize {
        self.output_size()[0] * self.pitch()
    }

    /// Rows and columns of phases that the padded input is split into, so that the taps of every
    /// position are neighbours. A 1×1 kernel of stride 2 reads a single phase.
    pub(super) fn phases(&self) -> usize {
        self.stride.min(self.kernel)
    }

    /// Elements of one phase of a padded input channel.
    pub(super) fn padded_plane(&self) -> usize {
        let rows = self.output_size()[0] + (self.kernel - 1) / self.stride;
        rows * self.pitch()
    }

    /// Elements of a padded input, before what a tile may read past its end.
    pub(super) fn padded(&self) -> usize {
        self.inputs * self.phases() * self.phases() * self.padded_plane()
    }

    /// Offsets of all taps, in the weights' order `[input, row, column]`.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let (phases, stride, pitch) = (self.phases(), self.stride, self.pitch());
        let mut offsets = Vec::with_capacity(self.taps());
        for input in 0..self.inputs {
            for y in 0..self.kernel {
                for x in 0..self.kernel {
                    let plane = (input * phases + y % stride) * phases + x % stride;
                    offsets.push(plane * self.padded_plane() + y / stride * pitch + x / stride);
                }
            }
        }
        offsets
    }

    /// Zeros before the first position of a padded output channel: the input's gradient reads them.
    pub(super) fn lead(&self) -> usize {
        if self.stride == 1 {
            self.padding() * (self.pitch() + 1)
        } else {
            0
        }
    }

    /// Elements of a padded output channel: positions and the zeros that either gradient reads.
    pub(super) fn padded_output(&self) -> usize {
        (self.output_size()[0] + 2 * self.padding()) * self.pitch() + 2 * LANES
    }

    /// The phases of the input's gradient, rows before columns. Offsets count from the start of a padded output channel.
    pub(super) fn gradient_phases(&self) -> Vec<Phase> {
        let (kernel, stride, padding) = (self.kernel, self.stride, self.padding());
        let mut phases = Vec::new();
        for row in 0..stride {
            for column in 0..stride {
                let mut taps = Vec::new();
                for y in 0..kernel {
                    for x in 0..kernel {
                        // Output o meets input i where i + padding = o·stride + tap.
                        let (dy, dx) = (row + padding + kernel - y, column + padding + kernel - x);
                        if (row + padding + y) % stride == 0 && (column + padding + x) % stride == 0
                        {
                            // For stride 1 the lead of `padding` makes these offsets non-negative;
                            // for stride 2 they are so anyway.
                            let lead = if stride == 1 { padding } else { 0 };
                            let dy = (dy + stride * lead - kernel) / stride;
                            let dx = (dx + stride * lead - kernel) / stride;
                            taps.push((y * kernel + x, dy * self.pitch() + dx));
                        }
                    }
                }
                phases.push(Phase { taps });
            }
        }
        phases
    }
}

/// The widest vector of `f32` of any instruction set.
pub(super) const LANES: usize = 16;
