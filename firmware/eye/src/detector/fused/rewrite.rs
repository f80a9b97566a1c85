//! tract's typed graph → the same graph with our convolutions in it. What we have no kernel for stays tract's.
//!
//! Our tensors lie channel by channel, ONNX's plane by plane: each convolution gets a move of the channels axis on both
//! sides, and where one of ours feeds another the two moves are left out.

use super::dense;
use super::depthwise;
use super::geometry::Geometry;
use super::op::{AddBytes, Convolution, Weights};
use std::collections::HashMap;
use std::sync::Arc;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::model::translator::Translate;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::math::{Max, Min};
use tract_onnx::tract_core::ops::nn::DataFormat;

/// Where the channels axis is in ONNX, and where ours is.
const TO_OURS: AxisOp = AxisOp::Move(1, 3);
const TO_ONNX: AxisOp = AxisOp::Move(3, 1);

type Mapping = HashMap<OutletId, OutletId>;

/// The rewriting.
#[derive(Debug)]
pub(super) struct Fuse;

impl Translate<TypedFact, Box<dyn TypedOp>, TypedFact, Box<dyn TypedOp>> for Fuse {
    fn translate_node(
        &self,
        source: &TypedModel,
        node: &TypedNode,
        target: &mut TypedModel,
        mapping: &Mapping,
    ) -> TractResult<TVec<OutletId>> {
        let inputs: TVec<OutletId> = node.inputs.iter().map(|i| mapping[i]).collect();
        if let Some(conv) = node.op_as::<Conv>()
            && let Some(ours) = convolution(source, node, conv)?
        {
            return wire(target, node, Box::new(ours), &[inputs[0]]);
        }
        if let Some(op) = node.op_as::<TypedBinOp>() {
            if let Some((below, cut)) = cut(source, node, op)?
                && let Some((ours, feed)) = convolution_behind(target, mapping[&below])
                && source.node(below.node).outputs[0].successors.len() == 1
            {
                let range = [ours.range[0].max(cut[0]), ours.range[1].min(cut[1])];
                return wire_ours(target, node, Box::new(Convolution { range, ..ours }), &[feed]);
            }
            if inputs.iter().all(|i| ours_behind(target, *i).is_some()) {
                return wire(target, node, node.op.clone(), &inputs);
            }
        }
        if node.op_is::<AddBytes>() {
            return wire(target, node, node.op.clone(), &inputs);
        }
        target.wire_node(&node.name, node.op.clone(), &inputs)
    }
}

/// Wires an operator on tensors of ours between ONNX ones.
fn wire(
    target: &mut TypedModel,
    node: &TypedNode,
    op: Box<dyn TypedOp>,
    inputs: &[OutletId],
) -> TractResult<TVec<OutletId>> {
    let mut feeds = tvec!();
    for (i, input) in inputs.iter().enumerate() {
        feeds.push(match ours_behind(target, *input) {
            Some(feed) => feed,
            None => target.wire_node(format!("{}.in.{i}", node.name), TO_OURS, &[*input])?[0],
        });
    }
    wire_ours(target, node, op, &feeds)
}

fn wire_ours(
    target: &mut TypedModel,
    node: &TypedNode,
    op: Box<dyn TypedOp>,
    feeds: &[OutletId],
) -> TractResult<TVec<OutletId>> {
    let ours = target.wire_node(format!("{}.ours", node.name), op, feeds)?;
    target.wire_node(&node.name, TO_ONNX, &ours)
}

/// The tensor of ours that this ONNX one was made of.
fn ours_behind(target: &TypedModel, outlet: OutletId) -> Option<OutletId> {
    let node = target.node(outlet.node);
    (node.op_as::<AxisOp>() == Some(&TO_ONNX)).then(|| node.inputs[0])
}

/// Our convolution that made this ONNX tensor, and what feeds it.
fn convolution_behind(target: &TypedModel, outlet: OutletId) -> Option<(Convolution, OutletId)> {
    let node = target.node(ours_behind(target, outlet)?.node);
    let ours = node.op_as::<Convolution>()?;
    matches!(*ours.weights, Weights::FloatDense(_) | Weights::FloatDepthwise(_))
        .then(|| (ours.clone(), node.inputs[0]))
}

/// A maximum or minimum with one number: the other input, and the range that it leaves.
fn cut(source: &TypedModel, node: &TypedNode, op: &TypedBinOp) -> TractResult<Option<(OutletId, [f32; 2])>> {
    let (is_max, is_min) = (op.0.is::<Max>(), op.0.is::<Min>());
    if !is_max && !is_min {
        return Ok(None);
    }
    for (i, input) in node.inputs.iter().enumerate() {
        if let Some(bound) = constant(source, *input)?
            && bound.volume() == 1
            && bound.datum_type() == f32::datum_type()
        {
            let bound = bound.try_as_plain_ram()?.as_slice::<f32>()?[0];
            let range = if is_max { [bound, f32::INFINITY] } else { [f32::NEG_INFINITY, bound] };
            return Ok(Some((node.inputs[1 - i], range)));
        }
    }
    Ok(None)
}

/// The value of an outlet that hangs on constants alone.
fn constant(model: &TypedModel, outlet: OutletId) -> TractResult<Option<Arc<Tensor>>> {
    if let Some(value) = &model.outlet_fact(outlet)?.konst {
        return Ok(Some(value.clone()));
    }
    let node = model.node(outlet.node);
    if node.inputs.is_empty() {
        return Ok(None);
    }
    let mut inputs = tvec!();
    for input in &node.inputs {
        match constant(model, *input)? {
            Some(value) => inputs.push(value.into_tvalue()),
            None => return Ok(None),
        }
    }
    let outputs = node.op.eval_out_of_plan(inputs)?;
    Ok(outputs.map(|o| o[outlet.slot].clone().into_arc_tensor()))
}

/// Our convolution for tract's, when we have a kernel for it and its weights are constant.
fn convolution(source: &TypedModel, node: &TypedNode, conv: &Conv) -> TractResult<Option<Convolution>> {
    let Some(geometry) = geometry(source, node, conv)? else {
        return Ok(None);
    };
    let mut values = tvec!();
    for input in &node.inputs[1..] {
        values.push(constant(source, *input)?);
    }
    let Some(values) = values.into_iter().collect::<Option<TVec<_>>>() else {
        return Ok(None);
    };
    let (kernel, bias) = (&values[0], &values[1]);
    let outs = geometry.output[2];
    // out, in, rows, columns → out, rows, columns, in.
    let kernel = kernel.as_ref().clone().permute_axes(&[0, 2, 3, 1])?;
    let taps = geometry.kernel[0] * geometry.kernel[1];
    let input = source.outlet_fact(node.inputs[0])?.datum_type;
    let weights = match conv.q_params {
        None if input == f32::datum_type() && kernel.datum_type() == input => {
            let kernel = kernel.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
            let bias = of_each(bias.try_as_plain_ram()?.as_slice::<f32>()?, outs);
            if geometry.depthwise {
                Weights::FloatDepthwise(depthwise::pack_float(&kernel, taps, &bias))
            } else {
                Weights::FloatDense(dense::pack_float(&geometry, &kernel, &bias))
            }
        }
        Some(output) if input == u8::datum_type() && kernel.datum_type() == i8::datum_type() => {
            let kernel = kernel.try_as_plain_ram()?.as_slice::<i8>()?.to_vec();
            let bias = of_each(bias.try_as_plain_ram()?.as_slice::<i32>()?, outs);
            let number = |i: usize| -> TractResult<i32> { values[i].cast_to_scalar::<i32>() };
            let scale = |i: usize| -> TractResult<Vec<f32>> {
                Ok(values[i].cast_to::<f32>()?.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
            };
            let Ok(zero_in) = u8::try_from(number(2)?) else { return Ok(None) };
            if !values[4].is_all_zero()? {
                return Ok(None);
            }
            if output == i32::datum_type() {
                if geometry.depthwise {
                    return Ok(None);
                }
                Weights::IntSums(dense::pack_int(&geometry, &kernel, &bias, zero_in))
            } else if output == u8::datum_type() {
                let Ok(zero_out) = u8::try_from(number(6)?) else { return Ok(None) };
                let (x, w, y) = (scale(3)?, scale(5)?, scale(7)?);
                let step = |o: usize| x[0] * w[o.min(w.len() - 1)] / y[0];
                let steps: Vec<f32> = (0..outs).map(step).collect();
                if geometry.depthwise {
                    let zeros = (zero_in, zero_out);
                    Weights::IntDepthwise(depthwise::pack_int(&kernel, taps, &bias, &steps, zeros))
                } else {
                    let packed = dense::pack_int(&geometry, &kernel, &bias, zero_in);
                    Weights::IntDense(packed, dense::in_order(&steps), zero_out)
                }
            } else {
                return Ok(None);
            }
        }
        _ => return Ok(None),
    };
    let range = [f32::NEG_INFINITY, f32::INFINITY];
    Ok(Some(Convolution { geometry, weights: Arc::new(weights), range }))
}

/// A bias of each output channel; one may stand for all.
fn of_each<T: Copy>(bias: &[T], outs: usize) -> Vec<T> {
    match bias {
        [one] => vec![*one; outs],
        all => all.to_vec(),
    }
}

/// Sizes, when they are known and of a kind that the kernels do.
fn geometry(source: &TypedModel, node: &TypedNode, conv: &Conv) -> TractResult<Option<Geometry>> {
    let pool = &conv.pool_spec;
    let (ins, outs) = (conv.input_channels(), conv.output_channels());
    let depthwise = conv.group > 1 && conv.group == ins && ins == outs;
    let known = pool.data_format == DataFormat::NCHW
        && conv.kernel_fmt == KernelFormat::OIHW
        && pool.rank() == 2
        && pool.dilations().iter().all(|d| *d == 1)
        && (conv.group == 1 || depthwise);
    let Some(&[1, _, rows, columns]) = source.outlet_fact(node.inputs[0])?.shape.as_concrete() else {
        return Ok(None);
    };
    if !known {
        return Ok(None);
    }
    let padding = pool.computed_padding(&[rows, columns]);
    Ok(Some(Geometry {
        input: [rows, columns, ins],
        output: [padding[0].convoluted, padding[1].convoluted, outs],
        kernel: [pool.kernel_shape[0], pool.kernel_shape[1]],
        stride: [pool.stride(0), pool.stride(1)],
        before: [padding[0].pad_before, padding[1].pad_before],
        depthwise,
    }))
}
