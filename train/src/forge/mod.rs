//! Generators that learn from authentic images, and forgeries by them.
//!
//! [`forge_fit`] trains one family on a manifest's training split; the run's `generator.vfg` holds the
//! weights and a [`GeneratorCard`]. A [`Generator`] forges authentic images or invents new ones.
//! Each family is a module with its paper; [`blocks`] holds what they are made of.

mod autoencoder;
mod blocks;
mod file;
mod fit;
mod flow;
mod gan;
mod generator;
mod grid;
mod inpaint;
mod kl_autoencoder;
mod learner;
mod loss;
mod player;
mod quality;
mod reals;
mod settings;
mod tiles;
mod vq_autoencoder;

pub use blocks::Upsampling;
pub use file::load as load_generator;
pub use fit::{ForgeFitOptions, ForgeFitReport, forge_fit};
pub use generator::{Generation, Generator};
pub use quality::Quality;
pub use reals::check_sets;
pub use settings::{GeneratorCard, Settings as GeneratorSettings};
