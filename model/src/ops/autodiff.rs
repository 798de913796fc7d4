//! The layer as one node of the autodiff graph.

use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, Backend};
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients as GraphGradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_autodiff::{Autodiff, NodeId};

use super::{Inputs, LayerKernels, LayerOptions, Saved, Trained, TrainingOps, Wanted};

impl<B: LayerKernels, C: CheckpointStrategy> TrainingOps for Autodiff<B, C> {
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
        let nodes = [input.node(), weight.node(), gamma.node(), beta.node()];
        let inputs = Inputs::<B> {
            input: input.primitive().clone(),
            weight: weight.primitive().clone(),
            gamma: gamma.primitive().clone(),
            beta: beta.into_primitive(),
            residual: None,
        };
        let trained = B::forward(inputs, options);
        let output = trained.output.clone();
        let found = trained.clone();
        let output = match Plain.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = State {
                    checkpointed: [&input, &weight, &gamma].map(|tensor| prep.checkpoint(tensor)),
                    trained,
                    options,
                };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        constants::<B, C>(output, found)
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
        let nodes = [
            input.node(),
            weight.node(),
            gamma.node(),
            beta.node(),
            residual.node(),
        ];
        let inputs = Inputs::<B> {
            input: input.primitive().clone(),
            weight: weight.primitive().clone(),
            gamma: gamma.primitive().clone(),
            beta: beta.into_primitive(),
            residual: Some(residual.into_primitive()),
        };
        let trained = B::forward(inputs, options);
        let output = trained.output.clone();
        let found = trained.clone();
        let output = match Residual.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = State {
                    checkpointed: [&input, &weight, &gamma].map(|tensor| prep.checkpoint(tensor)),
                    trained,
                    options,
                };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        constants::<B, C>(output, found)
    }
}

/// The outputs beside the first leave the graph.
#[allow(clippy::type_complexity)] // The trait's own tuple.
fn constants<B: LayerKernels, C: CheckpointStrategy>(
    output: FloatTensor<Autodiff<B, C>>,
    found: Trained<B>,
) -> (
    FloatTensor<Autodiff<B, C>>,
    FloatTensor<Autodiff<B, C>>,
    FloatTensor<Autodiff<B, C>>,
    FloatTensor<Autodiff<B, C>>,
) {
    let constant = |tensor| <Autodiff<B, C> as AutodiffBackend>::from_inner(tensor);
    (
        output,
        constant(found.convolved),
        constant(found.mean),
        constant(found.variance),
    )
}

/// What the backward pass keeps.
#[derive(Debug, Clone)]
struct State<B: Backend> {
    /// Input, weight and gamma.
    checkpointed: [NodeId; 3],
    trained: Trained<B>,
    options: LayerOptions,
}

impl<B: LayerKernels> State<B> {
    /// Registers the gradients of the parents that want one: input, weight, gamma, beta, residual.
    fn backward(
        self,
        gradient: FloatTensor<B>,
        parents: [Option<NodeId>; 5],
        grads: &mut GraphGradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [input, weight, gamma] = self
            .checkpointed
            .map(|id| checkpointer.retrieve_node_output::<FloatTensor<B>>(id));
        let saved = Saved {
            input,
            weight,
            gamma,
            trained: self.trained,
        };
        let wanted = Wanted {
            input: parents[0].is_some(),
            residual: parents[4].is_some(),
        };
        let found = B::backward(saved, gradient, wanted, self.options);
        let found = [
            found.input,
            Some(found.weight),
            Some(found.gamma),
            Some(found.beta),
            found.residual,
        ];
        for (parent, gradient) in parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(parent, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct Plain;

impl<B: LayerKernels> Backward<B, 4> for Plain {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        grads: &mut GraphGradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<B>(&ops.node);
        let [input, weight, gamma, beta] = ops.parents.map(|parent| parent.map(|node| node.id));
        let parents = [input, weight, gamma, beta, None];
        ops.state.backward(gradient, parents, grads, checkpointer);
    }
}

#[derive(Debug)]
struct Residual;

impl<B: LayerKernels> Backward<B, 5> for Residual {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 5>,
        grads: &mut GraphGradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<B>(&ops.node);
        let parents = ops.parents.map(|parent| parent.map(|node| node.id));
        ops.state.backward(gradient, parents, grads, checkpointer);
    }
}
