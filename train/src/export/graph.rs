//! Writes an ONNX graph node by node.

use prost::Message;

use super::proto::{
    Attribute, Constant, Dimension, Graph, Kind, Model, Node, OperatorSet, Property, Shape,
    TensorKind, Value,
};
use super::weights::Weight;

const FLOAT: i32 = 1;
const INT64: i32 = 7;

/// The operator set: in every runtime of the last years.
const OPSET: i64 = 17;

/// IR version that belongs to it.
const IR: i64 = 8;

/// A graph in the making. Values are known by name.
#[derive(Debug, Default)]
pub(super) struct Builder {
    nodes: Vec<Node>,
    constants: Vec<Constant>,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
}

/// An attribute's value.
pub(super) enum Setting<'a> {
    One(i64),
    Many(&'a [i64]),
}

impl Builder {
    /// Adds a node with one output, and returns the output's name.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        settings: &[(&str, Setting<'_>)],
    ) -> String {
        let output = format!("{}_{}", operator.to_lowercase(), self.nodes.len());
        self.named(operator, inputs, settings, &output);
        output
    }

    /// Adds a node whose output has a name.
    pub(super) fn named(
        &mut self,
        operator: &str,
        inputs: &[&str],
        settings: &[(&str, Setting<'_>)],
        output: &str,
    ) {
        let attribute = settings
            .iter()
            .map(|(name, setting)| match setting {
                Setting::One(value) => Attribute {
                    name: (*name).to_owned(),
                    i: *value,
                    ints: Vec::new(),
                    kind: 2,
                },
                Setting::Many(values) => Attribute {
                    name: (*name).to_owned(),
                    i: 0,
                    ints: values.to_vec(),
                    kind: 7,
                },
            })
            .collect();
        self.nodes.push(Node {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: format!("{operator}_{}", self.nodes.len()),
            op_type: operator.to_owned(),
            attribute,
        });
    }

    /// Adds a tensor of floats.
    pub(super) fn floats(&mut self, name: &str, weight: &Weight) -> String {
        self.constants.push(Constant {
            dims: weight.shape.iter().map(|&side| side as i64).collect(),
            data_type: FLOAT,
            name: name.to_owned(),
            raw_data: weight.values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        });
        name.to_owned()
    }

    /// Adds one float.
    pub(super) fn scalar(&mut self, value: f32) -> String {
        let name = format!("scalar_{}", self.constants.len());
        self.floats(
            &name,
            &Weight {
                shape: Vec::new(),
                values: vec![value],
            },
        )
    }

    /// Adds a vector of integers.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        let name = format!("integers_{}", self.constants.len());
        self.constants.push(Constant {
            dims: vec![values.len() as i64],
            data_type: INT64,
            name: name.clone(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        });
        name
    }

    /// Declares an input of floats; a dimension is a number or a name.
    pub(super) fn input(&mut self, name: &str, shape: &[&str], doc: &str) -> String {
        self.inputs.push(value(name, shape, doc));
        name.to_owned()
    }

    /// Declares an output of floats.
    pub(super) fn output(&mut self, name: &str, shape: &[&str], doc: &str) {
        self.outputs.push(value(name, shape, doc));
    }

    /// The bytes of an ONNX file.
    pub(super) fn into_bytes(
        self,
        name: &str,
        doc: &str,
        properties: &[(&str, String)],
    ) -> Vec<u8> {
        let model = Model {
            ir_version: IR,
            producer_name: "veraray-train".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            doc_string: doc.to_owned(),
            graph: Some(Graph {
                node: self.nodes,
                name: name.to_owned(),
                initializer: self.constants,
                input: self.inputs,
                output: self.outputs,
            }),
            opset_import: vec![OperatorSet {
                domain: String::new(),
                version: OPSET,
            }],
            metadata_props: properties
                .iter()
                .map(|(key, value)| Property {
                    key: (*key).to_owned(),
                    value: value.clone(),
                })
                .collect(),
        };
        model.encode_to_vec()
    }
}

fn value(name: &str, shape: &[&str], doc: &str) -> Value {
    let dim = shape
        .iter()
        .map(|side| match side.parse() {
            Ok(value) => Dimension {
                value: Some(value),
                param: None,
            },
            Err(_) => Dimension {
                value: None,
                param: Some((*side).to_owned()),
            },
        })
        .collect();
    Value {
        name: name.to_owned(),
        kind: Some(Kind {
            tensor_type: Some(TensorKind {
                elem_type: FLOAT,
                shape: Some(Shape { dim }),
            }),
        }),
        doc_string: doc.to_owned(),
    }
}
