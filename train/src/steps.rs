//! Optimisation steps on batches that are prepared ahead of the device.

use std::sync::mpsc::sync_channel;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use indicatif::ProgressBar;
use veraray_model::{Detector, LossWeights};

use crate::TrainError;
use crate::average::Average;
use crate::sampler::Batch;

/// Batches prepared ahead of the step.
const AHEAD: usize = 3;

/// Steps between two looks at the loss; every look waits for the device.
const LOOK: usize = 8;

/// What is changed by a step.
pub(crate) type Trained<'a> = (&'a mut Detector, &'a mut ModuleOptimizer, &'a mut Average);

/// A row of steps.
pub(crate) struct Steps<'a> {
    /// How many.
    pub(crate) count: usize,
    /// The batch of a step, made on another thread.
    pub(crate) batch: &'a (dyn Fn(usize) -> Batch + Sync),
    /// The learning rate of a step.
    pub(crate) rate: &'a dyn Fn(usize) -> f64,
    /// Weights of the loss.
    pub(crate) loss: LossWeights,
    /// Where to compute, with gradients.
    pub(crate) device: &'a Device,
    /// Told of every step.
    pub(crate) bar: &'a ProgressBar,
    /// What to say when the loss is not finite.
    pub(crate) diverged: &'a str,
}

/// What the steps came to.
pub(crate) struct Taken {
    /// Means of total, logit and map loss.
    pub(crate) losses: [f64; 3],
    /// Learning rate of the last step.
    pub(crate) learning_rate: f64,
}

impl Steps<'_> {
    /// Takes them all.
    ///
    /// # Errors
    /// [`TrainError::Data`] when the loss is not finite.
    pub(crate) fn take(&self, trained: Trained<'_>) -> Result<Taken, TrainError> {
        let (detector, optimizer, average) = trained;
        let (count, batch) = (self.count, self.batch);
        let mut sums = [0.0; 3];
        let mut learning_rate = 0.0;
        std::thread::scope(|scope| {
            let (sender, batches) = sync_channel::<Batch>(AHEAD);
            scope.spawn(move || {
                for step in 0..count {
                    // The receiver is gone when a step failed.
                    if sender.send(batch(step)).is_err() {
                        return;
                    }
                }
            });
            let mut unread: Vec<Tensor<1>> = Vec::new();
            for (step, batch) in batches.iter().enumerate() {
                let (pixels, labels, masks) = batch.to_tensors(self.device);
                let found = detector.forward(pixels);
                let loss = Detector::loss(&found, labels, masks, self.loss);
                unread
                    .push(Tensor::cat(vec![loss.total.clone(), loss.logit, loss.map], 0).detach());
                let gradients = GradientsParams::from_grads(loss.total.backward(), detector);
                learning_rate = (self.rate)(step);
                *detector = optimizer.step(learning_rate, detector.clone(), gradients);
                average.update(&detector.clone().valid());
                self.bar.inc(1);
                if unread.len() == LOOK || step + 1 == count {
                    for terms in unread.drain(..) {
                        let terms = terms.into_data().try_to_vec::<f32>().unwrap_or_default();
                        for (sum, term) in sums.iter_mut().zip(terms) {
                            *sum += f64::from(term);
                        }
                    }
                    self.bar
                        .set_message(format!("loss {:.4}", sums[0] / (step + 1) as f64));
                    if !sums[0].is_finite() {
                        return Err(TrainError::Data(self.diverged.to_owned()));
                    }
                }
            }
            Ok(())
        })?;
        Ok(Taken {
            losses: sums.map(|sum| sum / count.max(1) as f64),
            learning_rate,
        })
    }
}

/// Linear warm-up over `warmup` steps, then a cosine (Loshchilov & Hutter, ICLR 2017) from `peak`
/// down to the share `last` of it.
pub(crate) fn warmed_cosine([step, steps, warmup]: [usize; 3], [peak, last]: [f64; 2]) -> f64 {
    if step < warmup {
        return peak * (step + 1) as f64 / warmup as f64;
    }
    let span = steps.saturating_sub(warmup).max(1) as f64;
    let done = ((step - warmup) as f64 / span).min(1.0);
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
    peak * (last + (1.0 - last) * cosine)
}
