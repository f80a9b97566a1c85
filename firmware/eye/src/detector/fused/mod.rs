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

use tract_onnx::Onnx;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::model::translator::Translate;

/// tract's ONNX reader, knowing one operator more.
pub(super) fn reader() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert("QLinearAdd", add::build);
    onnx
}

/// Puts our operators in.
pub(super) fn rewrite(model: &TypedModel) -> TractResult<TypedModel> {
    rewrite::Fuse.translate_model(model)
}
