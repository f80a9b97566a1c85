//! ONNX bytes → an optimised tract plan; u8 planes → f32 boxes and scores. Pure Rust, one thread.
//!
//! Two runtimes: `tract` runs tract's own operators, `fused` puts ours where they fit.

use super::{Detector, Output, fused};
use crate::error::Error;
use crate::model::Model;
use std::sync::Arc;
use tract_onnx::prelude::*;

struct Tract {
    usual: Plan,
    small: Option<Plan>,
}

/// The graph for one input size.
struct Plan {
    plan: Arc<TypedRunnableModel>,
    shape: Vec<usize>,
    boxes: usize,
    scores: usize,
}

/// tract's own operators.
pub(crate) fn open(model: &Model) -> Result<Box<dyn Detector>, Error> {
    open_with(model, &tract_onnx::onnx(), Ok)
}

/// Ours where they fit.
pub(crate) fn open_fused(model: &Model) -> Result<Box<dyn Detector>, Error> {
    open_with(model, &fused::reader(), |graph| fused::rewrite(&graph))
}

/// Loads, types and optimises the graph for each of the card's input sizes.
fn open_with(
    model: &Model,
    reader: &tract_onnx::Onnx,
    rewrite: fn(TypedModel) -> TractResult<TypedModel>,
) -> Result<Box<dyn Detector>, Error> {
    let make = |dims: &[usize]| Plan::make(model, dims, reader, rewrite);
    let small = model.card.small_input.as_ref().map(|input| make(&input.dims)).transpose()?;
    Ok(Box::new(Tract { usual: make(&model.card.input.dims)?, small }))
}

impl Plan {
    fn make(
        model: &Model,
        shape: &[usize],
        reader: &tract_onnx::Onnx,
        rewrite: fn(TypedModel) -> TractResult<TypedModel>,
    ) -> Result<Self, Error> {
        let bad = |why: String| Error::BadModel { path: model.path.clone(), why };
        let graph = reader.model_for_read(&mut model.bytes.as_slice()).map_err(|e| bad(format!("{e:#}")))?;
        let place = |wanted: &str| {
            let names = graph.outputs.iter().map(|&o| graph.outlet_label(o).unwrap_or_default().to_owned());
            names
                .into_iter()
                .position(|n| n == wanted)
                .ok_or_else(|| bad(format!("has no output \"{wanted}\"")))
        };
        let (boxes, scores) = (place("boxes")?, place("scores")?);
        let plan = graph
            .with_input_fact(0, u8::fact(shape).into())
            .and_then(|g| g.into_typed())
            .and_then(rewrite)
            .and_then(|g| g.into_optimized())
            .and_then(|g| g.into_runnable())
            .map_err(|e| bad(format!("{e:#}")))?;
        Ok(Self { plan, shape: shape.to_vec(), boxes, scores })
    }

    fn run(&self, input: &[u8]) -> TractResult<Output> {
        let input = Tensor::from_shape(&self.shape, input)?;
        let outputs = self.plan.run(tvec![input.into_tvalue()])?;
        let values = |i: usize| -> TractResult<Vec<f32>> {
            Ok(outputs[i].to_plain_array_view::<f32>()?.iter().copied().collect())
        };
        Ok(Output { boxes: values(self.boxes)?, scores: values(self.scores)? })
    }
}

impl Detector for Tract {
    fn run(&mut self, input: &[u8], small: bool) -> Result<Output, Error> {
        let plan = self.small.as_ref().filter(|_| small).unwrap_or(&self.usual);
        plan.run(input).map_err(|e| Error::Inference(format!("{e:#}")))
    }
}
