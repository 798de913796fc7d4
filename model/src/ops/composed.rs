//! The layer composed of Burn's own operations, for backends without kernels of ours.

use burn::backend::ops::ConvOptions;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};

use super::{Gradients, Inputs, LayerOptions, Saved, Trained, Wanted};

/// A layer with known statistics: gamma, beta, mean and variance.
pub(super) fn layer<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    [gamma, beta, mean, variance]: [FloatTensor<B>; 4],
    residual: Option<FloatTensor<B>>,
    options: LayerOptions,
) -> FloatTensor<B> {
    let convolution = convolution::<B>(&weight, options);
    let convolved = B::conv2d(input, weight, None, convolution);
    let output = B::batch_norm(convolved, gamma, beta, mean, variance, options.epsilon);
    finish::<B>(output, residual, options)
}

pub(super) fn forward<B: Backend>(inputs: Inputs<B>, options: LayerOptions) -> Trained<B> {
    let convolution = convolution::<B>(&inputs.weight, options);
    let convolved = B::conv2d(inputs.input, inputs.weight, None, convolution);
    let normalised = B::batch_norm_train(
        convolved.clone(),
        inputs.gamma,
        inputs.beta,
        options.epsilon,
    );
    Trained {
        output: finish::<B>(normalised.output, inputs.residual, options),
        convolved,
        mean: normalised.mean,
        variance: normalised.variance,
    }
}

pub(super) fn backward<B: Backend>(
    saved: Saved<B>,
    gradient: FloatTensor<B>,
    wanted: Wanted,
    options: LayerOptions,
) -> Gradients<B> {
    let convolution = convolution::<B>(&saved.weight, options);
    let gradient = if options.rectify {
        B::relu_backward(saved.trained.output, gradient)
    } else {
        gradient
    };
    let norm = B::batch_norm_train_backward(
        saved.trained.convolved,
        saved.gamma,
        saved.trained.mean,
        saved.trained.variance,
        options.epsilon,
        gradient.clone(),
    );
    let (input, weight) = (saved.input, saved.weight);
    Gradients {
        input: wanted.input.then(|| {
            let (input, weight) = (input.clone(), weight.clone());
            B::conv2d_x_backward(input, weight, norm.x_grad.clone(), convolution.clone())
        }),
        weight: B::conv2d_weight_backward(input, weight, norm.x_grad, convolution),
        gamma: norm.gamma_grad,
        beta: norm.beta_grad,
        residual: wanted.residual.then_some(gradient),
    }
}

fn convolution<B: Backend>(weight: &FloatTensor<B>, options: LayerOptions) -> ConvOptions<2> {
    let [_, _, rows, columns] = weight.shape().dims();
    ConvOptions::new([options.stride; 2], [rows / 2, columns / 2], [1, 1], 1)
}

fn finish<B: Backend>(
    output: FloatTensor<B>,
    residual: Option<FloatTensor<B>>,
    options: LayerOptions,
) -> FloatTensor<B> {
    let output = match residual {
        Some(residual) => B::float_add(output, residual),
        None => output,
    };
    if options.rectify {
        B::relu(output)
    } else {
        output
    }
}
