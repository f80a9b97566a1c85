//! A graph → a graph with our own operators for what small detectors are made of, run by tract.
//!
//! | file | what |
//! |---|---|
//! | `lanes.rs` | the vector arithmetic: AVX2, or plain arrays |
//! | `geometry.rs` | sizes of a convolution, its patches and padded rows |
//! | `dense.rs`, `depthwise.rs` | the kernels: f32 with a cut, u8 × i8 → i32 → u8 |
//! | `op.rs`, `rewrite.rs`, `add.rs` | tract operators; where they go in the graph; ONNX Runtime's QLinearAdd |

mod add;
mod dense;
mod depthwise;
mod geometry;
mod lanes;
mod op;
mod rewrite;
#[cfg(test)]
mod tests;

use op::Convolution;
use std::collections::HashMap;
use tract_onnx::Onnx;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::model::translator::Translate;

/// tract's ONNX reader, knowing one operator more.
pub(super) fn reader() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert("QLinearAdd", add::build);
    onnx
}

/// Lets our operators use the weights of their namesakes in another graph where they are equal.
pub(super) fn share_weights(graph: &mut TypedModel, of: &TypedModel) {
    let theirs: HashMap<&str, &Convolution> =
        of.nodes.iter().filter_map(|node| Some((node.name.as_str(), node.op_as::<Convolution>()?))).collect();
    for node in &mut graph.nodes {
        let Some(shared) = theirs.get(node.name.as_str()) else { continue };
        let Some(ours) = node.op_as_mut::<Convolution>() else { continue };
        if *ours.weights == *shared.weights {
            ours.weights = shared.weights.clone();
        }
    }
}

/// Where the weights of our operators lie, one operator after the other.
#[cfg(test)]
pub(super) fn addresses(graph: &TypedModel) -> Vec<usize> {
    let all = graph.nodes.iter().filter_map(|node| node.op_as::<Convolution>());
    all.map(|convolution| Arc::as_ptr(&convolution.weights) as usize).collect()
}

/// Puts our operators in.
pub(super) fn rewrite(model: &TypedModel) -> TractResult<TypedModel> {
    rewrite::Fuse.translate_model(model)
}
