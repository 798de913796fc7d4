//! A running average of the weights, which is what is validated and saved.
//!
//! Averaging the iterates of stochastic gradient descent generalises better than the last one
//! (Polyak & Juditsky, 1992; Tarvainen & Valpola, NeurIPS 2017). Running statistics of batch
//! normalisation are averaged along.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use veraray_model::Detector;

/// The exponential moving average of a detector's weights.
#[derive(Debug)]
pub struct Average {
    /// Flattened parameters and statistics in the order in which the module visits them.
    values: Vec<Tensor<1>>,
    decay: f64,
    /// Number of updates so far.
    updates: usize,
}

impl Average {
    /// Starts from a detector without gradients, after `updates` steps.
    #[must_use]
    pub fn of(detector: &Detector, decay: f64, updates: usize) -> Self {
        Self {
            values: flattened(detector),
            decay,
            updates,
        }
    }

    /// Takes in the weights after a step. `detector` carries no gradients.
    pub fn update(&mut self, detector: &Detector) {
        self.updates += 1;
        // The first weights are random: they are forgotten faster.
        let count = self.updates as f64;
        let decay = self.decay.min((1.0 + count) / (10.0 + count));
        let current = flattened(detector);
        let old = std::mem::take(&mut self.values);
        self.values = old
            .into_iter()
            .zip(current)
            .map(|(old, new)| old.clone() + (new - old).mul_scalar(1.0 - decay))
            .collect();
    }

    /// Puts the averages into a detector of the same architecture that shares nothing with the one
    /// in training: batch normalisation's statistics are changed in place.
    #[must_use]
    pub fn write_into(&self, fresh: Detector) -> Detector {
        fresh.map(&mut Writer {
            values: self.values.iter(),
        })
    }
}

fn flattened(detector: &Detector) -> Vec<Tensor<1>> {
    let mut reader = Reader { values: Vec::new() };
    detector.visit(&mut reader);
    reader.values
}

struct Reader {
    values: Vec<Tensor<1>>,
}

impl ModuleVisitor for Reader {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let count: usize = value.dims().iter().product();
        self.values.push(value.reshape([count]));
    }
}

struct Writer<'a> {
    values: std::slice::Iter<'a, Tensor<1>>,
}

impl ModuleMapper for Writer<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(value) = self.values.next() else {
            return param;
        };
        param.map(|old| value.clone().reshape(old.dims()))
    }
}
