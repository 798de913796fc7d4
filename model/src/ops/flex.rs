//! The layer on the CPU: Burn's tensors in and out of our kernels.

use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, TensorData, TensorMetadata};
use burn_flex::{Flex, FlexTensor};

use super::convolution::{self, ConvolutionKernels};
use super::{
    Gradients, InferenceOps, Inputs, LayerKernels, LayerOptions, Saved, Trained, Wanted, composed,
};
use crate::kernel::{Geometry, gradient, infer, layer, pool};

impl InferenceOps for Flex {
    fn layer(
        input: FlexTensor,
        weight: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        options: LayerOptions,
    ) -> FlexTensor {
        infer(input, weight, [gamma, beta, mean, variance], None, options)
    }

    fn residual_layer(
        input: FlexTensor,
        weight: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        residual: FlexTensor,
        options: LayerOptions,
    ) -> FlexTensor {
        let norm = [gamma, beta, mean, variance];
        infer(input, weight, norm, Some(residual), options)
    }
}

fn infer(
    input: FlexTensor,
    weight: FlexTensor,
    norm: [FlexTensor; 4],
    residual: Option<FlexTensor>,
    options: LayerOptions,
) -> FlexTensor {
    let Some((geometry, shape)) = geometry(&input, &weight, options.stride) else {
        return composed::layer::<Flex>(input, weight, norm, residual, options);
    };
    let (input, weight) = (Dense::new(input), Dense::new(weight));
    let [gamma, beta, mean, variance] = norm.map(Dense::new);
    let residual = residual.map(Dense::new);
    let (scale, shift): (Vec<f32>, Vec<f32>) = (0..geometry.outputs)
        .map(|c| {
            let variance = f64::from(variance.values()[c]) + options.epsilon;
            let scale = f64::from(gamma.values()[c]) / variance.sqrt();
            let shift = f64::from(beta.values()[c]) - scale * f64::from(mean.values()[c]);
            (scale as f32, shift as f32)
        })
        .unzip();
    let tail = infer::Tail {
        scale: &scale,
        shift: &shift,
        residual: residual.as_ref().map(Dense::values),
        rectify: options.rectify,
    };
    let output = infer::forward(&geometry, input.values(), weight.values(), tail);
    input.recycle();
    if let Some(residual) = residual {
        residual.recycle();
    }
    tensor(output, shape)
}

impl LayerKernels for Flex {
    fn forward(inputs: Inputs<Self>, options: LayerOptions) -> Trained<Self> {
        let Some((geometry, shape)) = geometry(&inputs.input, &inputs.weight, options.stride)
        else {
            return composed::forward(inputs, options);
        };
        let [input, weight, gamma, beta] =
            [inputs.input, inputs.weight, inputs.gamma, inputs.beta].map(Dense::new);
        let residual = inputs.residual.map(Dense::new);
        let norm = layer::Norm {
            gamma: gamma.values(),
            beta: beta.values(),
            epsilon: options.epsilon,
            residual: residual.as_ref().map(Dense::values),
            rectify: options.rectify,
        };
        let found = layer::forward_train(&geometry, input.values(), weight.values(), norm);
        let channels = [geometry.outputs];
        Trained {
            output: tensor(found.output, shape),
            convolved: tensor(found.convolved, shape),
            mean: tensor(found.mean, channels),
            variance: tensor(found.variance, channels),
        }
    }

    fn backward(
        saved: Saved<Self>,
        gradient: FloatTensor<Self>,
        wanted: Wanted,
        options: LayerOptions,
    ) -> Gradients<Self> {
        let Some((geometry, shape)) = geometry(&saved.input, &saved.weight, options.stride) else {
            return composed::backward(saved, gradient, wanted, options);
        };
        let shapes: [[usize; 4]; 2] = [&saved.input, &saved.weight].map(|t| t.shape().dims());
        let trained = saved.trained;
        let [
            input,
            weight,
            gamma,
            output,
            convolved,
            mean,
            variance,
            gradient,
        ] = [
            saved.input,
            saved.weight,
            saved.gamma,
            trained.output,
            trained.convolved,
            trained.mean,
            trained.variance,
            gradient,
        ]
        .map(Dense::new);
        let saved = gradient::Saved {
            input: input.values(),
            weight: weight.values(),
            gamma: gamma.values(),
            epsilon: options.epsilon,
            convolved: convolved.values(),
            mean: mean.values(),
            variance: variance.values(),
            output: options.rectify.then(|| output.values()),
        };
        let wanted = [wanted.input, wanted.residual];
        let found = gradient::backward(&geometry, saved, gradient.values(), wanted);
        for tensor in [input, output, convolved, gradient] {
            tensor.recycle();
        }
        let channels = [geometry.outputs];
        Gradients {
            input: found.input.map(|values| tensor(values, shapes[0])),
            weight: tensor(found.weight, shapes[1]),
            gamma: tensor(found.gamma, channels),
            beta: tensor(found.beta, channels),
            residual: found.residual.map(|values| tensor(values, shape)),
        }
    }
}

impl ConvolutionKernels for Flex {
    fn forward(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        stride: usize,
    ) -> FlexTensor {
        let Some((geometry, shape)) = geometry(&input, &weight, stride) else {
            return convolution::composed_forward::<Flex>(input, weight, bias, stride);
        };
        let [input, weight, bias] = [input, weight, bias].map(Dense::new);
        let tail = infer::Tail {
            scale: &vec![1.0; geometry.outputs],
            shift: bias.values(),
            residual: None,
            rectify: false,
        };
        let output = infer::forward(&geometry, input.values(), weight.values(), tail);
        tensor(output, shape)
    }

    fn backward(
        input: FlexTensor,
        weight: FlexTensor,
        gradient: FlexTensor,
        stride: usize,
        want_input: bool,
    ) -> (Option<FlexTensor>, FlexTensor) {
        let Some((geometry, _)) = geometry(&input, &weight, stride) else {
            return convolution::composed_backward::<Flex>(
                input, weight, gradient, stride, want_input,
            );
        };
        let shapes: [[usize; 4]; 2] = [&input, &weight].map(|t| t.shape().dims());
        let [input, weight, gradient] = [input, weight, gradient].map(Dense::new);
        let (found, weights) = gradient::convolution_backward(
            &geometry,
            input.values(),
            weight.values(),
            gradient.values(),
            want_input,
        );
        for tensor in [input, gradient] {
            tensor.recycle();
        }
        (
            found.map(|values| tensor(values, shapes[0])),
            tensor(weights, shapes[1]),
        )
    }
}

/// The layer's geometry and its output's shape, where the kernels handle it.
fn geometry(
    input: &FlexTensor,
    weight: &FlexTensor,
    stride: usize,
) -> Option<(Geometry, [usize; 4])> {
    let [batch, inputs, height, width] = input.shape().dims();
    let [outputs, _, rows, columns] = weight.shape().dims();
    let plain = input.dtype() == DType::F32 && weight.dtype() == DType::F32;
    let geometry = Geometry {
        inputs,
        outputs,
        size: [height, width],
        kernel: rows,
        stride,
    };
    let [rows_out, columns_out] = geometry.output_size();
    (plain
        && rows == columns
        && Geometry::supports(rows, stride)
        && input.shape().num_elements() > 0)
        .then_some((geometry, [batch, outputs, rows_out, columns_out]))
}

/// A tensor of `f32` without gaps.
pub(super) struct Dense(FlexTensor);

impl Dense {
    pub(super) fn new(tensor: FlexTensor) -> Self {
        if tensor.is_contiguous() {
            Self(tensor)
        } else {
            Self(tensor.to_contiguous())
        }
    }

    pub(super) fn values(&self) -> &[f32] {
        // Kept: the tensor is contiguous, and `geometry` admits nothing but `f32`.
        self.0.as_slice().unwrap_or_default()
    }

    /// Keeps the memory for the next tensor, where nobody else holds it.
    fn recycle(self) {
        if self.0.is_unique()
            && let Ok(values) = self.0.into_data().try_into_vec::<f32>()
        {
            pool::give(values);
        }
    }
}

pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
