//! A network in training: its weights, its optimiser and, where wanted, the average of its weights.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Gradients};

use crate::TrainError;
use crate::average::Average;

/// Decay of the average of the weights.
const DECAY: f64 = 0.999;

/// A network in training.
pub struct Player<M: Module> {
    /// Names its files.
    name: &'static str,
    /// The network.
    pub module: M,
    optimizer: ModuleOptimizer,
    average: Option<Average>,
}

/// What an optimiser is to do.
#[derive(Debug, Clone, Copy)]
pub struct Play {
    /// Decay of the mean of the gradients; 0 where a network has an opponent (Karras et al., 2020).
    pub momentum: f32,
    /// Whether the weights are averaged.
    pub average: bool,
}

impl<M: Module> Player<M> {
    /// A network that starts.
    pub fn new(name: &'static str, module: M, play: Play) -> Self {
        let average = play.average.then(|| Average::of(&module.valid(), DECAY, 0));
        Self {
            name,
            optimizer: AdamWConfig::new()
                .with_beta_1(play.momentum)
                .with_beta_2(0.99)
                .with_epsilon(1e-8)
                .with_weight_decay(0.0)
                .init(),
            module,
            average,
        }
    }

    /// One step along the gradients.
    pub fn step(&mut self, gradients: Gradients, rate: f64) {
        let gradients = GradientsParams::from_grads(gradients, &self.module);
        self.module = self.optimizer.step(rate, self.module.clone(), gradients);
        if let Some(average) = &mut self.average {
            average.update(&self.module.valid());
        }
    }

    /// The network as it is used: averaged where it is averaged, without gradients.
    pub fn best(&self) -> M {
        match &self.average {
            Some(average) => average.write_into(self.module.valid()),
            None => self.module.valid(),
        }
    }

    fn files(&self, folder: &Path, step: usize) -> [PathBuf; 3] {
        ["weights", "average", "optimizer"]
            .map(|part| folder.join(format!("{}-{part}-{step}.bpk", self.name)))
    }

    /// Saves everything into a folder.
    ///
    /// # Errors
    /// [`TrainError::Run`] when a file cannot be written.
    pub fn save(&self, folder: &Path, step: usize) -> Result<(), TrainError> {
        let [weights, average, optimizer] = self.files(folder, step);
        for stale in [&weights, &average, &optimizer] {
            let _ = std::fs::remove_file(stale);
        }
        let failed = |path: &Path, error: &dyn std::fmt::Display| TrainError::Run {
            path: path.to_owned(),
            message: format!("the state could not be saved: {error}"),
        };
        self.module
            .clone()
            .save_file(&weights)
            .map_err(|error| failed(&weights, &error))?;
        if self.average.is_some() {
            self.best()
                .save_file(&average)
                .map_err(|error| failed(&average, &error))?;
        }
        self.optimizer
            .save(&optimizer)
            .map_err(|error| failed(&optimizer, &error))
    }

    /// Loads what [`Player::save`] wrote after that many steps.
    ///
    /// # Errors
    /// [`TrainError::Run`] when a file is missing or damaged.
    pub fn load(&mut self, folder: &Path, step: usize, device: &Device) -> Result<(), TrainError> {
        let [weights, average, optimizer] = self.files(folder, step);
        let failed = |path: &Path, error: &dyn std::fmt::Display| TrainError::Run {
            path: path.to_owned(),
            message: format!("the state is damaged: {error}"),
        };
        self.module = self
            .module
            .clone()
            .try_load_file(&weights)
            .map_err(|error| failed(&weights, &error))?
            .fork(device);
        if self.average.is_some() {
            let found = self
                .module
                .valid()
                .try_load_file(&average)
                .map_err(|error| failed(&average, &error))?;
            self.average = Some(Average::of(&found, DECAY, step));
        }
        let fresh = std::mem::replace(&mut self.optimizer, AdamWConfig::new().init());
        self.optimizer = fresh
            .load(&optimizer)
            .map_err(|error| failed(&optimizer, &error))?;
        Ok(())
    }

    /// Removes a state that a newer one replaces.
    pub fn forget(&self, folder: &Path, step: usize) {
        for file in self.files(folder, step) {
            let _ = std::fs::remove_file(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tensor};

    use super::super::loss::{PatchDiscriminator, hinge};
    use super::*;

    /// Every parameter, flattened.
    fn weights(network: &PatchDiscriminator) -> Vec<Vec<f32>> {
        struct Reader(Vec<Vec<f32>>);
        impl burn::module::ModuleVisitor for Reader {
            fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
                let values = param.val().into_data().try_to_vec::<f32>();
                self.0.push(values.unwrap());
            }
        }
        let mut reader = Reader(Vec::new());
        network.visit(&mut reader);
        reader.0
    }

    #[test]
    fn an_adversary_passes_gradients_on_and_learns_in_every_parameter() {
        let device = Device::flex().autodiff();
        let play = Play {
            momentum: 0.5,
            average: true,
        };
        let network = PatchDiscriminator::new(1, 4, &device).materialize();
        let mut player = Player::new("critic", network, play);
        let draw = || Tensor::random([2, 1, 16, 16], Distribution::Normal(0.0, 1.0), &device);
        let fake: Tensor<4> = draw().require_grad();
        // Another network's step through this one.
        let grads = player.module.forward(fake.clone()).mean().backward();
        let slope = fake.grad(&grads).unwrap().abs().sum().into_scalar::<f32>();
        assert!(slope > 0.0);
        let before = weights(&player.module);
        let judged = [draw(), fake.detach()].map(|images| player.module.forward(images));
        let [real, fake] = judged;
        // Uneven, because the last bias gets nothing from an even pair.
        player.step(hinge(real.mul_scalar(2.0), fake).backward(), 1e-3);
        for (before, after) in before.iter().zip(weights(&player.module)) {
            assert_ne!(before, &after);
        }
        assert_eq!(weights(&player.best()).len(), before.len());
    }
}
