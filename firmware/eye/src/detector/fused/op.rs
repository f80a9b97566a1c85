//! The kernels as tract operators: tensors `1,H,W,C` in, `1,H,W,C` out.

use super::dense::{FloatDense, FloatWeights, IntDense, IntOut, IntWeights};
use super::depthwise::{FloatDepthwise, FloatKernels, IntDepthwise, IntKernels};
use super::geometry::Geometry;
use super::lanes::{Halves, Job, Lanes, widest};
use std::sync::Arc;
use tract_onnx::tract_core::internal::*;

/// Weights of a convolution, ready for its kernel.
#[derive(Debug, PartialEq)]
pub(super) enum Weights {
    /// f32 → f32.
    FloatDense(FloatWeights),
    /// f32 → f32.
    FloatDepthwise(FloatKernels),
    /// u8 → u8.
    IntDense(IntWeights, Vec<Halves<f32>>, u8),
    /// u8 → i32, the sums themselves.
    IntSums(IntWeights),
    /// u8 → u8.
    IntDepthwise(IntKernels),
}

/// A convolution with its bias and what follows it: the cut of a ReLU6, or the way back to bytes.
#[derive(Debug, Clone)]
pub(super) struct Convolution {
    pub(super) geometry: Geometry,
    pub(super) weights: Arc<Weights>,
    /// Least and most of an f32 output.
    pub(super) range: [f32; 2],
}

impl PartialEq for Convolution {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.weights, &other.weights)
            && self.geometry == other.geometry
            && self.range == other.range
    }
}

impl Eq for Convolution {}

impl Convolution {
    fn output_type(&self) -> DatumType {
        match *self.weights {
            Weights::FloatDense(_) | Weights::FloatDepthwise(_) => f32::datum_type(),
            Weights::IntDense(..) | Weights::IntDepthwise(_) => u8::datum_type(),
            Weights::IntSums(_) => i32::datum_type(),
        }
    }

    fn output_shape(&self) -> [usize; 4] {
        let [rows, columns, channels] = self.geometry.output;
        [1, rows, columns, channels]
    }
}

impl Op for Convolution {
    fn name(&self) -> StaticName {
        match *self.weights {
            Weights::FloatDense(_) => "FusedDense",
            Weights::FloatDepthwise(_) => "FusedDepthwise",
            Weights::IntDense(..) | Weights::IntSums(_) => "FusedDenseInt8",
            Weights::IntDepthwise(_) => "FusedDepthwiseInt8",
        }
        .into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{:?}", self.geometry)])
    }

    op_as_typed_op!();
}

impl EvalOp for Convolution {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = inputs[0].try_as_plain_ram()?;
        ensure!(input.len() == self.geometry.input.iter().product::<usize>(), "the input has another size");
        let mut output = Tensor::zero_dt(self.output_type(), &self.output_shape())?;
        {
            let mut out = output.try_as_plain_ram_mut()?;
            let geometry = &self.geometry;
            match &*self.weights {
                Weights::FloatDense(weights) => widest(FloatDense {
                    geometry,
                    weights,
                    range: self.range,
                    input: input.as_slice()?,
                    output: out.as_slice_mut()?,
                }),
                Weights::FloatDepthwise(kernels) => widest(FloatDepthwise {
                    geometry,
                    kernels,
                    range: self.range,
                    input: input.as_slice()?,
                    output: out.as_slice_mut()?,
                }),
                Weights::IntDense(weights, scale, zero) => widest(IntDense {
                    geometry,
                    weights,
                    input: input.as_slice()?,
                    output: IntOut::Bytes { to: out.as_slice_mut()?, scale, zero: *zero },
                }),
                Weights::IntSums(weights) => widest(IntDense {
                    geometry,
                    weights,
                    input: input.as_slice()?,
                    output: IntOut::Sums(out.as_slice_mut()?),
                }),
                Weights::IntDepthwise(kernels) => widest(IntDepthwise {
                    geometry,
                    kernels,
                    input: input.as_slice()?,
                    output: out.as_slice_mut()?,
                }),
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Convolution {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.output_type().fact(self.output_shape())))
    }
}

/// `a` and `b` in bytes → their sum in bytes: ONNX Runtime's QLinearAdd.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AddBytes {
    /// Scale and zero point of the first, the second and the sum.
    pub(super) scales: [f32; 3],
    pub(super) zeros: [u8; 3],
}

impl Eq for AddBytes {}

impl Op for AddBytes {
    fn name(&self) -> StaticName {
        "FusedAddInt8".into()
    }

    op_as_typed_op!();
}

impl EvalOp for AddBytes {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut output = Tensor::zero::<u8>(inputs[0].shape())?;
        let (a, b) = (inputs[0].try_as_plain_ram()?, inputs[1].try_as_plain_ram()?);
        ensure!(a.len() == b.len(), "the two have other sizes");
        widest(AddJob {
            op: self,
            a: a.as_slice()?,
            b: b.as_slice()?,
            to: output.try_as_plain_ram_mut()?.as_slice_mut()?,
        });
        Ok(tvec!(output.into_tvalue()))
    }
}

struct AddJob<'a> {
    op: &'a AddBytes,
    a: &'a [u8],
    b: &'a [u8],
    to: &'a mut [u8],
}

impl Job for AddJob<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let [a, b, sum] = self.op.scales;
        let (a, b) = (a / sum, b / sum);
        let [za, zb, zero] = self.op.zeros.map(f32::from);
        for ((to, x), y) in self.to.iter_mut().zip(self.a).zip(self.b) {
            let value = (f32::from(*x) - za) * a + (f32::from(*y) - zb) * b + zero;
            *to = value.round_ties_even() as u8;
        }
    }
}

impl TypedOp for AddBytes {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(inputs.len() == 2 && inputs[0].shape == inputs[1].shape, "adds two tensors of one shape");
        Ok(tvec!(inputs[0].without_value()))
    }

    /// Element by element: axes may be moved through it.
    fn axes_mapping(&self, inputs: &[&TypedFact], outputs: &[&TypedFact]) -> TractResult<AxesMapping> {
        AxesMapping::natural(inputs, outputs)
    }
}
