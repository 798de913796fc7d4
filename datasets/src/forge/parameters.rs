//! What a forgery was made with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One parameter of a forgery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parameter {
    /// A yes or no.
    Flag(bool),
    /// A number; its name says the unit.
    Number(f64),
    /// A choice among named ones.
    Name(String),
}

impl From<bool> for Parameter {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<f32> for Parameter {
    fn from(value: f32) -> Self {
        // Four digits say all that matters.
        Self::Number((f64::from(value) * 1e4).round() / 1e4)
    }
}

impl From<usize> for Parameter {
    fn from(value: usize) -> Self {
        Self::Number(value as f64)
    }
}

impl From<&str> for Parameter {
    fn from(value: &str) -> Self {
        Self::Name(value.into())
    }
}

/// The parameters of a forgery by name, in alphabetical order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(pub BTreeMap<String, Parameter>);

impl Parameters {
    /// Notes a parameter.
    pub fn note(&mut self, name: &str, value: impl Into<Parameter>) {
        self.0.insert(name.into(), value.into());
    }
}
