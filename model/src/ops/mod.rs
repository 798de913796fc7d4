//! The detector's layer as one operation of every backend.
//!
//! A layer is a convolution, a batch normalisation, possibly a residual, and possibly a rectifier.
//! Burn's backend extension carries it to the backend that a tensor lives on: [`flex`] has kernels
//! for the CPU, every other backend composes the layer of Burn's own operations ([`composed`]).
//! [`autodiff`] differentiates it, so that nothing but the convolution itself and the output is
//! kept for the backward pass.

mod autodiff;
mod composed;
mod convolution;
#[cfg(feature = "cpu")]
pub(crate) mod fixed;
#[cfg(feature = "cpu")]
mod flex;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

pub use convolution::convolve;

/// How a layer is put together, beside its tensors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LayerOptions {
    /// Step of the convolution, whose padding is half its kernel.
    pub stride: usize,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether negative results become zero.
    pub rectify: bool,
}

/// Forward passes that need no gradient.
#[backend_extension(
    Flex: cfg(feature = "cpu"),
    Cube: cfg(feature = "gpu"),
    NdArray: cfg(feature = "ndarray")
)]
pub(crate) trait InferenceOps: Backend {
    /// A layer with known statistics.
    ///
    /// # Shapes
    /// - `input`: `[batch, inputs, height, width]`
    /// - `weight`: `[outputs, inputs, kernel, kernel]`
    /// - `norm`: `[4, outputs]`: gamma, beta, mean, variance
    /// - output: `[batch, outputs, height / stride, width / stride]`
    fn layer(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        options: LayerOptions,
    ) -> FloatTensor<Self> {
        composed::layer::<Self>(input, weight, [gamma, beta, mean, variance], None, options)
    }

    /// [`InferenceOps::layer`] with a residual of the output's shape, added before the rectifier.
    #[allow(clippy::too_many_arguments)] // The macro passes plain tensors only.
    fn residual_layer(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        options: LayerOptions,
    ) -> FloatTensor<Self> {
        let norm = [gamma, beta, mean, variance];
        composed::layer::<Self>(input, weight, norm, Some(residual), options)
    }
}

/// Forward passes that normalise by the batch's own statistics.
///
/// They return the output, the convolution before normalisation, and the batch's mean and biased
/// variance, each `[outputs]`. Only the output carries a gradient.
#[backend_extension(
    Flex: cfg(feature = "cpu"),
    Cube: cfg(feature = "gpu"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff
)]
pub(crate) trait TrainingOps: Backend {
    /// A layer in training; shapes as for [`InferenceOps::layer`].
    fn train_layer(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: LayerOptions,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    );

    /// [`TrainingOps::train_layer`] with a residual.
    fn train_residual_layer(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        options: LayerOptions,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    );
}

/// What a backend computes for [`TrainingOps`], forward and backward.
pub(crate) trait LayerKernels: Backend {
    /// The forward pass in training.
    fn forward(inputs: Inputs<Self>, options: LayerOptions) -> Trained<Self> {
        composed::forward(inputs, options)
    }

    /// The gradients of the inputs that are wanted, given the output's.
    fn backward(
        saved: Saved<Self>,
        gradient: FloatTensor<Self>,
        wanted: Wanted,
        options: LayerOptions,
    ) -> Gradients<Self> {
        composed::backward(saved, gradient, wanted, options)
    }
}

/// Inputs of a layer in training.
#[derive(Debug, Clone)]
pub(crate) struct Inputs<B: Backend> {
    pub input: FloatTensor<B>,
    pub weight: FloatTensor<B>,
    pub gamma: FloatTensor<B>,
    pub beta: FloatTensor<B>,
    pub residual: Option<FloatTensor<B>>,
}

/// Outputs of a layer in training.
#[derive(Debug, Clone)]
pub(crate) struct Trained<B: Backend> {
    pub output: FloatTensor<B>,
    pub convolved: FloatTensor<B>,
    pub mean: FloatTensor<B>,
    pub variance: FloatTensor<B>,
}

/// What the backward pass needs of the forward one.
#[derive(Debug, Clone)]
pub(crate) struct Saved<B: Backend> {
    pub input: FloatTensor<B>,
    pub weight: FloatTensor<B>,
    pub gamma: FloatTensor<B>,
    pub trained: Trained<B>,
}

/// Which gradients are wanted of those that cost much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub input: bool,
    pub residual: bool,
}

/// Gradients of a layer's inputs.
#[derive(Debug)]
pub(crate) struct Gradients<B: Backend> {
    pub input: Option<FloatTensor<B>>,
    pub weight: FloatTensor<B>,
    pub gamma: FloatTensor<B>,
    pub beta: FloatTensor<B>,
    pub residual: Option<FloatTensor<B>>,
}

/// Routes [`TrainingOps`] of a concrete backend to its [`LayerKernels`].
macro_rules! concrete {
    ($(#[$cfg:meta])* $backend:ident) => {
        $(#[$cfg])*
        impl TrainingOps for burn::backend::$backend {
            fn train_layer(
                input: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                gamma: FloatTensor<Self>,
                beta: FloatTensor<Self>,
                options: LayerOptions,
            ) -> (
                FloatTensor<Self>,
                FloatTensor<Self>,
                FloatTensor<Self>,
                FloatTensor<Self>,
            ) {
                let inputs = Inputs {
                    input,
                    weight,
                    gamma,
                    beta,
                    residual: None,
                };
                <Self as LayerKernels>::forward(inputs, options).into_parts()
            }

            fn train_residual_layer(
                input: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                gamma: FloatTensor<Self>,
                beta: FloatTensor<Self>,
                residual: FloatTensor<Self>,
                options: LayerOptions,
            ) -> (
                FloatTensor<Self>,
                FloatTensor<Self>,
                FloatTensor<Self>,
                FloatTensor<Self>,
            ) {
                let inputs = Inputs {
                    input,
                    weight,
                    gamma,
                    beta,
                    residual: Some(residual),
                };
                <Self as LayerKernels>::forward(inputs, options).into_parts()
            }
        }
    };
}

concrete!(
    #[cfg(feature = "cpu")]
    Flex
);
concrete!(
    #[cfg(feature = "gpu")]
    Cube
);
concrete!(
    #[cfg(feature = "ndarray")]
    NdArray
);

#[cfg(feature = "gpu")]
impl InferenceOps for burn::backend::Cube {}
#[cfg(feature = "gpu")]
impl LayerKernels for burn::backend::Cube {}
#[cfg(feature = "ndarray")]
impl InferenceOps for burn::backend::NdArray {}
#[cfg(feature = "ndarray")]
impl LayerKernels for burn::backend::NdArray {}

impl<B: Backend> Trained<B> {
    fn into_parts(
        self,
    ) -> (
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
    ) {
        (self.output, self.convolved, self.mean, self.variance)
    }
}

/// A layer with known statistics, without autodiff.
///
/// # Shapes
/// - `norm`: gamma, beta, mean and variance, each `[outputs]`
/// - others as for [`InferenceOps::layer`]
pub(crate) fn layer(
    input: Tensor<4>,
    weight: Tensor<4>,
    norm: [Tensor<1>; 4],
    residual: Option<Tensor<4>>,
    options: LayerOptions,
) -> Tensor<4> {
    let (input, weight) = (input.into_dispatch(), weight.into_dispatch());
    let [gamma, beta, mean, variance] = norm.map(Tensor::into_dispatch);
    Tensor::from_dispatch(match residual {
        None => Dispatch::layer(input, weight, gamma, beta, mean, variance, options),
        Some(residual) => Dispatch::residual_layer(
            input,
            weight,
            gamma,
            beta,
            mean,
            variance,
            residual.into_dispatch(),
            options,
        ),
    })
}

/// A layer in training: its output, and the batch's mean and biased variance.
///
/// # Shapes
/// - `affine`: gamma and beta, each `[outputs]`
/// - others as for [`InferenceOps::layer`]
pub(crate) fn train_layer(
    input: Tensor<4>,
    weight: Tensor<4>,
    affine: [Tensor<1>; 2],
    residual: Option<Tensor<4>>,
    options: LayerOptions,
) -> (Tensor<4>, [Tensor<1>; 2]) {
    let (input, weight) = (input.into_dispatch(), weight.into_dispatch());
    let [gamma, beta] = affine.map(Tensor::into_dispatch);
    let (output, _, mean, variance) = match residual {
        None => Dispatch::train_layer(input, weight, gamma, beta, options),
        Some(residual) => {
            let residual = residual.into_dispatch();
            Dispatch::train_residual_layer(input, weight, gamma, beta, residual, options)
        }
    };
    (
        Tensor::from_dispatch(output),
        [Tensor::from_dispatch(mean), Tensor::from_dispatch(variance)],
    )
}

#[cfg(all(test, feature = "cpu"))]
mod tests;
