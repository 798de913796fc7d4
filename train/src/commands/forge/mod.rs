//! `veraray-train forge`: forgeries of one's own authentic images.

mod fit;
mod output;
mod sample;

use std::process::ExitCode;

use clap::Subcommand;
use veraray_train::Progress;

/// Subcommands of `forge`.
#[derive(Debug, Subcommand)]
pub enum ForgeCommand {
    /// Train a generator on the authentic images of a manifest's training split
    #[command(after_help = "Families:
  kl_autoencoder    reconstruction through a narrow code, by a bank of decoders
  vq_autoencoder    reconstruction through a code book
  inpaint           a lesion-sized region injected or removed
  pixel_flow        whole images of nothing, by flow matching on pixels
  latent_diffusion  whole images of nothing, in the code of a kl_autoencoder
  gan               whole images of nothing, by a style-based adversarial network

Examples:
  veraray-train forge fit kl_autoencoder --data data/manifest.csv --size 128 --steps 4000
  veraray-train forge fit kl_autoencoder --data data/manifest.csv --size 128 --steps 4000 --resume
  veraray-train forge fit vq_autoencoder --data data/manifest.csv --size 128 --depth 2 --decoders transposed
  veraray-train forge fit latent_diffusion --data data/manifest.csv --size 128 --autoencoder runs/kl_autoencoder/generator.vfg

runs/NAME/ gets generator.vfg for forge sample, log.jsonl with every step's losses, samples-STEP.png,
quality.json (kernel and spectrum distances to the test split) and the state that --resume goes on from; a resumed run equals one that was not stopped. Grids of the
autoencoders and of inpaint begin with a row of authentic images.")]
    Fit(fit::Fit),
    /// Write forgeries of the authentic images of a manifest, with masks and a manifest of their own
    #[command(after_help = "Families that need no training:
  splice           a region of another patient's image of the same modality
  copy_move        a region of the same image, turned or scaled
  poisson_blend    seamless cloning in the gradient domain
  inpaint_classic  removal by diffusion, fast marching or patch offsets
  noise_inconsistency  a region that is smoothed, with no noise, too little or too much
  resample         a region enlarged, shrunk or turned, or the whole image bent
  spectral         upsampling fingerprints of decoders
  denoise_grain    smoothed, then uniform grain
  reconstruct      the bottleneck of a small linear autoencoder

Families that forge fit trains, with --model FILE:
  kl_autoencoder, vq_autoencoder, inpaint      of authentic images (--data)
  pixel_flow, latent_diffusion                 of nothing (-n), or of authentic images (--data --aligned)
  gan                                          of nothing (-n)

Examples:
  veraray-train forge sample splice --data data/manifest.csv -n 500 --output forged/splice
  veraray-train forge sample spectral --data data/manifest.csv --aligned --split all --output forged/spectral
  veraray-train forge sample kl_autoencoder --model runs/kl_autoencoder/generator.vfg --data data/manifest.csv --aligned --match-spectrum --mix 0.5 --output forged/kl
  veraray-train forge sample pixel_flow --model runs/pixel_flow/generator.vfg -n 100 --output forged/flow

Every output says in its file that it is a forgery (DICOM attributes, PNG text); nothing turns that
off, and no score reads it. Originals are never changed. A volume gives its middle slice, as PNG.

Exit status: 0 all written; 2 some image failed, or a usage error.")]
    Sample(sample::Sample),
}

impl ForgeCommand {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// When nothing at all can be done; single images that fail are counted and named on stderr.
    pub fn run(&self, progress: &Progress) -> anyhow::Result<ExitCode> {
        match self {
            Self::Fit(args) => fit::run(args, progress),
            Self::Sample(args) => sample::run(args, progress),
        }
    }
}
