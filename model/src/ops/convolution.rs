//! A bare convolution with bias as one operation of every backend, for networks without batch
//! normalisation. On the CPU it has the detector's kernels, whose weight gradient costs what its
//! arithmetic needs.

use burn::backend::ops::ConvOptions;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_autodiff::{Autodiff, NodeId};

/// Convolution with a square odd kernel, padding of half the kernel, and bias.
#[backend_extension(
    Flex: cfg(feature = "cpu"),
    Cube: cfg(feature = "gpu"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff
)]
pub(crate) trait ConvolutionOps: Backend {
    /// Shapes as for [`convolve`].
    fn convolution(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
    ) -> FloatTensor<Self>;
}

/// What a backend computes for [`ConvolutionOps`], forward and backward.
pub(crate) trait ConvolutionKernels: Backend {
    /// The convolution.
    fn forward(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
    ) -> FloatTensor<Self> {
        composed_forward::<Self>(input, weight, bias, stride)
    }

    /// The gradients of the input, where wanted, and of the weights.
    fn backward(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        stride: usize,
        want_input: bool,
    ) -> (Option<FloatTensor<Self>>, FloatTensor<Self>) {
        composed_backward::<Self>(input, weight, gradient, stride, want_input)
    }
}

pub(super) fn composed_forward<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    stride: usize,
) -> FloatTensor<B> {
    let options = options::<B>(&weight, stride);
    B::conv2d(input, weight, Some(bias), options)
}

pub(super) fn composed_backward<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    gradient: FloatTensor<B>,
    stride: usize,
    want_input: bool,
) -> (Option<FloatTensor<B>>, FloatTensor<B>) {
    let options = options::<B>(&weight, stride);
    let found = want_input.then(|| {
        let (input, weight) = (input.clone(), weight.clone());
        B::conv2d_x_backward(input, weight, gradient.clone(), options.clone())
    });
    (
        found,
        B::conv2d_weight_backward(input, weight, gradient, options),
    )
}

fn options<B: Backend>(weight: &FloatTensor<B>, stride: usize) -> ConvOptions<2> {
    let [_, _, rows, columns] = weight.shape().dims();
    ConvOptions::new([stride; 2], [rows / 2, columns / 2], [1, 1], 1)
}

/// Routes [`ConvolutionOps`] of a concrete backend to its [`ConvolutionKernels`].
macro_rules! concrete {
    ($(#[$cfg:meta])* $backend:ident) => {
        $(#[$cfg])*
        impl ConvolutionOps for burn::backend::$backend {
            fn convolution(
                input: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                stride: usize,
            ) -> FloatTensor<Self> {
                <Self as ConvolutionKernels>::forward(input, weight, bias, stride)
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
impl ConvolutionKernels for burn::backend::Cube {}
#[cfg(feature = "ndarray")]
impl ConvolutionKernels for burn::backend::NdArray {}

impl<B: ConvolutionKernels, C: CheckpointStrategy> ConvolutionOps for Autodiff<B, C> {
    fn convolution(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
    ) -> FloatTensor<Self> {
        let nodes = [input.node(), weight.node(), bias.node()];
        let output = B::forward(
            input.primitive().clone(),
            weight.primitive().clone(),
            bias.primitive().clone(),
            stride,
        );
        match Convolution.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let checkpointed = [&input, &weight, &bias].map(|tensor| prep.checkpoint(tensor));
                prep.finish((checkpointed, stride), output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

#[derive(Debug)]
struct Convolution;

impl<B: ConvolutionKernels> Backward<B, 3> for Convolution {
    /// Input, weight and bias, and the stride.
    type State = ([NodeId; 3], usize);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<B>(&ops.node);
        let (checkpointed, stride) = ops.state;
        let [input, weight, bias] =
            checkpointed.map(|id| checkpointer.retrieve_node_output::<FloatTensor<B>>(id));
        let [to_input, to_weight, to_bias] = ops.parents.map(|parent| parent.map(|node| node.id));
        if let Some(id) = to_bias {
            let found = B::conv2d_bias_backward(input.clone(), bias, gradient.clone());
            grads.register::<B>(id, found);
        }
        let (for_input, for_weight) =
            B::backward(input, weight, gradient, stride, to_input.is_some());
        if let (Some(id), Some(found)) = (to_input, for_input) {
            grads.register::<B>(id, found);
        }
        if let Some(id) = to_weight {
            grads.register::<B>(id, for_weight);
        }
    }
}

/// A convolution that keeps the size, or halves it with a stride of 2, differentiable.
///
/// # Shapes
/// - `input`: `[batch, inputs, height, width]`
/// - `weight`: `[outputs, inputs, kernel, kernel]`, kernel odd
/// - `bias`: `[outputs]`
/// - output: `[batch, outputs, ceil(height / stride), ceil(width / stride)]`
#[must_use]
pub fn convolve(input: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::convolution(
        input.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        stride,
    ))
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use burn::tensor::{Device, Distribution};

    use super::*;

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn outputs_and_gradients_are_those_of_burns_convolution() {
        let device = Device::flex().autodiff();
        for (kernel, stride, size) in [
            (3, 1, [10, 7]),
            (3, 2, [12, 8]),
            (1, 1, [6, 9]),
            (5, 1, [8, 8]),
        ] {
            let draw = |shape: [usize; 4]| {
                Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device).require_grad()
            };
            let (input, weight) = (draw([3, 5, size[0], size[1]]), draw([9, 5, kernel, kernel]));
            let bias = Tensor::<1>::random([9], Distribution::Normal(0.0, 1.0), &device);
            let bias = bias.require_grad();
            let found = convolve(input.clone(), weight.clone(), bias.clone(), stride);
            let options = ConvOptions::new([stride; 2], [kernel / 2; 2], [1, 1], 1);
            let expected = conv2d(input.clone(), weight.clone(), Some(bias.clone()), options);
            let target = Tensor::<4>::random(found.dims(), Distribution::Normal(0.0, 1.0), &device);
            let gradients = [found.clone(), expected.clone()].map(|output| {
                let grads = (output * target.clone()).sum().backward();
                [
                    values(input.grad(&grads).unwrap()),
                    values(weight.grad(&grads).unwrap()),
                    values(bias.grad(&grads).unwrap()),
                ]
            });
            let outputs = [values(found), values(expected)];
            let [a, b] = gradients;
            for (a, b) in a.iter().zip(&b).chain([(&outputs[0], &outputs[1])]) {
                assert_eq!(a.len(), b.len());
                for (a, b) in a.iter().zip(b) {
                    assert!(
                        (a - b).abs() < 2e-3 * (1.0 + b.abs()),
                        "{kernel} {stride}: {a} {b}"
                    );
                }
            }
        }
    }
}
