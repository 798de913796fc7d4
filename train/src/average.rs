//! A running average of the weights, which is what is validated and saved.
//!
//! Averaging the iterates of stochastic gradient descent generalises better than the last one
//! (Polyak & Juditsky, 1992; Tarvainen & Valpola, NeurIPS 2017). Running statistics of batch
//! normalisation are averaged along.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// The exponential moving average of a network's weights.
#[derive(Debug)]
pub struct Average {
    /// Flattened parameters and statistics in the order in which the module visits them.
    values: Vec<Tensor<1>>,
    decay: f64,
    /// Number of updates so far.
    updates: usize,
}

impl Average {
    /// Starts from a network without gradients, after `updates` steps.
    #[must_use]
    pub fn of<M: Module>(network: &M, decay: f64, updates: usize) -> Self {
        Self {
            values: flattened(network),
            decay,
            updates,
        }
    }

    /// Takes in the weights after a step. `network` carries no gradients.
    pub fn update<M: Module>(&mut self, network: &M) {
        self.updates += 1;
        // The first weights are random: they are forgotten faster.
        let count = self.updates as f64;
        let decay = self.decay.min((1.0 + count) / (10.0 + count));
        let current = flattened(network);
        let old = std::mem::take(&mut self.values);
        self.values = old
            .into_iter()
            .zip(current)
            .map(|(old, new)| old.clone() + (new - old).mul_scalar(1.0 - decay))
            .collect();
    }

    /// Puts the averages into a network of the same architecture that shares nothing with the one
    /// in training: batch normalisation's statistics are changed in place.
    #[must_use]
    pub fn write_into<M: Module>(&self, fresh: M) -> M {
        fresh.map(&mut Writer {
            values: self.values.iter(),
        })
    }
}

fn flattened<M: Module>(network: &M) -> Vec<Tensor<1>> {
    let mut reader = Reader { values: Vec::new() };
    network.visit(&mut reader);
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
