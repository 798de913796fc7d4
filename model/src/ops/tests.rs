//! The layer against Burn's own convolution, normalisation and rectifier.

use burn::module::Param;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Distribution, Tensor};

use super::{
    Gradients, Inputs, LayerKernels, LayerOptions, Saved, Trained, Wanted, composed, layer,
    train_layer,
};

/// Batch, channels in and out, rows, columns, kernel, stride.
const SHAPES: [[usize; 7]; 6] = [
    [4, 5, 16, 20, 24, 3, 2],
    [3, 16, 24, 17, 9, 3, 1],
    [2, 24, 8, 16, 16, 3, 1],
    [5, 12, 12, 8, 8, 1, 1],
    [2, 7, 3, 9, 11, 3, 2],
    [3, 4, 8, 6, 6, 1, 2],
];

fn noise<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.1, 1.0), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().expect("floats")
}

fn close<const D: usize>(found: Tensor<D>, expected: Tensor<D>, tolerance: f32, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    for (found, expected) in values(found).into_iter().zip(values(expected)) {
        assert!(
            (found - expected).abs() < tolerance * (1.0 + expected.abs()),
            "{what}: {found} against {expected}"
        );
    }
}

fn convolve(input: Tensor<4>, weight: Tensor<4>, [kernel, stride]: [usize; 2]) -> Tensor<4> {
    let options = ConvOptions::new([stride; 2], [kernel / 2; 2], [1, 1], 1);
    conv2d(input, weight, None, options)
}

fn norm(affine: [Tensor<1>; 2], device: &Device) -> BatchNorm {
    let [gamma, beta] = affine;
    let mut norm = BatchNormConfig::new(gamma.dims()[0]).init(device);
    norm.gamma = Param::from_tensor(gamma);
    norm.beta = Param::from_tensor(beta);
    norm
}

#[test]
fn folded_inference_is_burns() {
    let device = Device::flex();
    for [batch, inputs, outputs, rows, columns, kernel, stride] in SHAPES {
        let input = noise([batch, inputs, rows, columns], &device);
        let weight = noise([outputs, inputs, kernel, kernel], &device);
        let affine = [noise([outputs], &device), noise([outputs], &device)];
        let mean = noise([outputs], &device);
        let variance = noise([outputs], &device).square() + 0.5;
        let size = [rows.div_ceil(stride), columns.div_ceil(stride)];
        let residual = noise([batch, outputs, size[0], size[1]], &device);
        let mut norm = norm(affine.clone(), &device);
        norm.running_mean = burn::module::RunningState::new(mean.clone());
        norm.running_var = burn::module::RunningState::new(variance.clone());
        let plain = norm.forward(convolve(input.clone(), weight.clone(), [kernel, stride]));
        for residual in [None, Some(residual)] {
            for rectify in [false, true] {
                let sum = match &residual {
                    Some(residual) => plain.clone() + residual.clone(),
                    None => plain.clone(),
                };
                let expected = if rectify { relu(sum) } else { sum };
                let options = LayerOptions {
                    stride,
                    epsilon: norm.epsilon,
                    rectify,
                };
                let [gamma, beta] = affine.clone();
                let all = [gamma, beta, mean.clone(), variance.clone()];
                let found = layer(
                    input.clone(),
                    weight.clone(),
                    all,
                    residual.clone(),
                    options,
                );
                close(found, expected, 2e-4, "inference");
            }
        }
    }
}

#[test]
fn training_and_its_gradients_are_burns() {
    let device = Device::flex().autodiff();
    for [batch, inputs, outputs, rows, columns, kernel, stride] in SHAPES {
        let size = [rows.div_ceil(stride), columns.div_ceil(stride)];
        let leaves = || {
            (
                noise([batch, inputs, rows, columns], &device),
                noise([outputs, inputs, kernel, kernel], &device),
                [noise([outputs], &device), noise([outputs], &device)],
                noise([batch, outputs, size[0], size[1]], &device),
            )
        };
        let (input, weight, affine, residual) = leaves();
        let seed = noise([batch, outputs, size[0], size[1]], &device);
        for with_residual in [false, true] {
            // Each way gets its own leaves of the same values.
            let grad = |tensor: &Tensor<4>| tensor.clone().detach().require_grad();
            let run = |ours: bool| {
                let (input, weight, residual) = (grad(&input), grad(&weight), grad(&residual));
                let affine = affine.clone().map(|t| t.detach().require_grad());
                let extra = with_residual.then(|| residual.clone());
                let output = if ours {
                    let options = LayerOptions {
                        stride,
                        epsilon: 1e-5,
                        rectify: true,
                    };
                    train_layer(
                        input.clone(),
                        weight.clone(),
                        affine.clone(),
                        extra,
                        options,
                    )
                    .0
                } else {
                    let plain = convolve(input.clone(), weight.clone(), [kernel, stride]);
                    let normal = burn::tensor::module::batch_norm_train(
                        plain,
                        affine[0].clone(),
                        affine[1].clone(),
                        1e-5,
                    );
                    relu(match extra {
                        Some(extra) => normal.output + extra,
                        None => normal.output,
                    })
                };
                let grads = (output.clone() * seed.clone()).sum().backward();
                let [gamma, beta] = affine.map(|t| t.grad(&grads).expect("tracked"));
                (
                    output.inner(),
                    input.grad(&grads).expect("tracked"),
                    weight.grad(&grads).expect("tracked"),
                    [gamma, beta],
                    with_residual.then(|| residual.grad(&grads).expect("tracked")),
                )
            };
            let (found, expected) = (run(true), run(false));
            close(found.0, expected.0, 1e-3, "output");
            close(found.1, expected.1, 2e-3, "input's gradient");
            close(found.2, expected.2, 2e-3, "weight's gradient");
            for (found, expected) in found.3.into_iter().zip(expected.3) {
                close(found, expected, 2e-3, "affine gradient");
            }
            if let (Some(found), Some(expected)) = (found.4, expected.4) {
                close(found, expected, 1e-5, "residual's gradient");
            }
        }
    }
}

#[test]
fn what_other_backends_compose_is_the_same() {
    type Flex = burn_flex::Flex;
    let device = Device::flex();
    let primitive = |tensor: Tensor<4>| tensor.try_into_primitive::<Flex>().expect("on the CPU");
    let vector = |tensor: Tensor<1>| tensor.try_into_primitive::<Flex>().expect("on the CPU");
    for [batch, inputs, outputs, rows, columns, kernel, stride] in SHAPES {
        let size = [rows.div_ceil(stride), columns.div_ceil(stride)];
        let options = LayerOptions {
            stride,
            epsilon: 1e-5,
            rectify: true,
        };
        let given = Inputs::<Flex> {
            input: primitive(noise([batch, inputs, rows, columns], &device)),
            weight: primitive(noise([outputs, inputs, kernel, kernel], &device)),
            gamma: vector(noise([outputs], &device)),
            beta: vector(noise([outputs], &device)),
            residual: Some(primitive(noise(
                [batch, outputs, size[0], size[1]],
                &device,
            ))),
        };
        let gradient = primitive(noise([batch, outputs, size[0], size[1]], &device));
        let found = <Flex as LayerKernels>::forward(given.clone(), options);
        let expected = composed::forward(given.clone(), options);
        let maps =
            |t: Trained<Flex>| [t.output, t.convolved].map(Tensor::<4>::from_primitive::<Flex>);
        let sums = |t: Trained<Flex>| [t.mean, t.variance].map(Tensor::<1>::from_primitive::<Flex>);
        let pairs = maps(found.clone()).into_iter().zip(maps(expected.clone()));
        pairs.for_each(|(found, expected)| close(found, expected, 1e-3, "forward"));
        let pairs = sums(found.clone()).into_iter().zip(sums(expected));
        pairs.for_each(|(found, expected)| close(found, expected, 1e-3, "statistics"));

        let saved = Saved {
            input: given.input,
            weight: given.weight,
            gamma: given.gamma,
            trained: found,
        };
        let wanted = Wanted {
            input: true,
            residual: true,
        };
        let found =
            <Flex as LayerKernels>::backward(saved.clone(), gradient.clone(), wanted, options);
        let expected = composed::backward(saved, gradient, wanted, options);
        let maps = |g: Gradients<Flex>| {
            [g.input, Some(g.weight), g.residual]
                .map(|t| Tensor::<4>::from_primitive::<Flex>(t.expect("wanted")))
        };
        let affine = |g: &Gradients<Flex>| {
            [g.gamma.clone(), g.beta.clone()].map(Tensor::<1>::from_primitive::<Flex>)
        };
        for (found, expected) in affine(&found).into_iter().zip(affine(&expected)) {
            close(found, expected, 2e-3, "affine gradient");
        }
        for (found, expected) in maps(found).into_iter().zip(maps(expected)) {
            close(found, expected, 2e-3, "gradient");
        }
    }
}
