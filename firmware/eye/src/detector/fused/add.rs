//! An ONNX node QLinearAdd (domain com.microsoft) → [`AddBytes`].

use super::op::AddBytes;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

/// a, its scale, its zero point; b and its two; the sum's two.
const INPUTS: usize = 8;

#[derive(Debug, Clone)]
struct QLinearAdd;

/// The builder for tract's table of operators.
pub(super) fn build(
    _: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    ensure!(node.input.len() == INPUTS, "QLinearAdd without zero points is not known here");
    Ok((expand(QLinearAdd), vec![]))
}

impl Expansion for QLinearAdd {
    fn name(&self) -> StaticName {
        "QLinearAdd".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, INPUTS)?;
        check_output_arity(outputs, 1)?;
        for tensor in [&inputs[0], &inputs[3], &outputs[0]] {
            s.equals(&tensor.datum_type, u8::datum_type())?;
            s.equals(&tensor.shape, &inputs[0].shape)?;
        }
        Ok(())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let value = |i: usize| -> TractResult<Arc<Tensor>> {
            model.outlet_fact(inputs[i])?.konst.clone().context("QLinearAdd has constant scales")
        };
        let scale = |i: usize| -> TractResult<f32> { value(i)?.cast_to_scalar::<f32>() };
        let zero = |i: usize| -> TractResult<u8> { value(i)?.cast_to_scalar::<u8>() };
        let op =
            AddBytes { scales: [scale(1)?, scale(4)?, scale(6)?], zeros: [zero(2)?, zero(5)?, zero(7)?] };
        model.wire_node(prefix, op, &[inputs[0], inputs[3]])
    }
}
