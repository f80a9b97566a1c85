//! ONNX bytes → an optimised tract plan; u8 planes → f32 boxes and scores. Pure Rust, one thread.
//!
//! Two runtimes: `tract` runs tract's own operators, `fused` puts ours where they fit.

use super::{Detector, Output, fused};
use crate::error::Error;
use crate::model::Model;
use std::collections::HashMap;
use std::sync::Arc;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::konst::Const;

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
    Ok(Box::new(read(model, &tract_onnx::onnx(), Ok)?))
}

/// Ours where they fit.
pub(crate) fn open_fused(model: &Model) -> Result<Box<dyn Detector>, Error> {
    Ok(Box::new(read(model, &fused::reader(), |graph| fused::rewrite(&graph))?))
}

/// Reads the graph once, and types and optimises it for each of the card's input sizes.
fn read(
    model: &Model,
    reader: &tract_onnx::Onnx,
    rewrite: fn(TypedModel) -> TractResult<TypedModel>,
) -> Result<Tract, Error> {
    let bad = |why: String| Error::BadModel { path: model.path.clone(), why };
    let fault = |error: TractError| bad(format!("{error:#}"));
    let graph = reader.model_for_read(&mut model.bytes.as_slice()).map_err(fault)?;
    let place = |wanted: &str| {
        let names = graph.outputs.iter().map(|&o| graph.outlet_label(o).unwrap_or_default().to_owned());
        names.into_iter().position(|n| n == wanted).ok_or_else(|| bad(format!("has no output \"{wanted}\"")))
    };
    let (boxes, scores) = (place("boxes")?, place("scores")?);
    let optimise = |dims: &[usize]| {
        let sized = graph.clone().with_input_fact(0, u8::fact(dims).into());
        sized.and_then(|g| g.into_typed()).and_then(rewrite).and_then(|g| g.into_optimized()).map_err(fault)
    };
    let plan = |graph: TypedModel, dims: &[usize]| {
        let plan = graph.into_runnable().map_err(fault)?;
        Ok::<_, Error>(Plan { plan, shape: dims.to_vec(), boxes, scores })
    };
    let usual = optimise(&model.card.input.dims)?;
    let small = match &model.card.small_input {
        Some(input) => {
            let mut small = optimise(&input.dims)?;
            share_weights(&mut small, &usual);
            fused::share_weights(&mut small, &usual);
            Some(plan(small, &input.dims)?)
        }
        None => None,
    };
    Ok(Tract { usual: plan(usual, &model.card.input.dims)?, small })
}

/// Lets a graph use another one's constants where it has equal ones. The weights in their packed order are most of a plan's
/// memory, and hardly any of them depends on the size of the input.
fn share_weights(graph: &mut TypedModel, of: &TypedModel) {
    let theirs: HashMap<&str, &Const> =
        of.nodes.iter().filter_map(|node| Some((node.name.as_str(), node.op_as::<Const>()?))).collect();
    for node in &mut graph.nodes {
        let Some(op) = node.op_as::<Const>() else { continue };
        let Some(shared) = theirs.get(node.name.as_str()).filter(|shared| ***shared == *op) else { continue };
        let (op, value) = ((*shared).clone(), shared.val().clone());
        node.op = Box::new(op);
        for output in &mut node.outputs {
            if output.fact.konst.is_some() {
                output.fact.konst = Some(value.clone());
            }
        }
    }
}

impl Plan {
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

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_models::Card;
    use std::path::Path;

    fn constants(plan: &Plan) -> Vec<&Arc<Tensor>> {
        plan.plan.model().nodes.iter().filter_map(|node| Some(node.op_as::<Const>()?.val())).collect()
    }

    #[test]
    fn both_input_sizes_share_their_weights() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/models");
        let card = Card::find("nanodet-g-coco12-f32").unwrap();
        let path = crate::model::find(&card, Some(&models)).unwrap();
        let model = Model::open(card, path, "tract").unwrap();
        let detector = read(&model, &tract_onnx::onnx(), Ok).unwrap();
        let small = detector.small.as_ref().unwrap();
        let theirs = constants(small);
        let (shared, own): (Vec<_>, Vec<_>) = constants(&detector.usual)
            .into_iter()
            .partition(|value| theirs.iter().any(|other| Arc::ptr_eq(value, other)));
        assert!(shared.len() > 10 * own.len(), "{} shared, {} not", shared.len(), own.len());

        let detector = read(&model, &fused::reader(), |graph| fused::rewrite(&graph)).unwrap();
        let theirs = fused::addresses(detector.small.as_ref().unwrap().plan.model());
        let ours = fused::addresses(detector.usual.plan.model());
        let shared = ours.iter().filter(|address| theirs.contains(address)).count();
        assert!(ours.len() > 20 && shared == ours.len(), "{shared} of {} are shared", ours.len());
    }
}
