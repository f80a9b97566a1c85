"""TensorFlow.js SSDLite-MobileNetV2 (COCO) -> ONNX detector with decoded boxes.

Input  `image`  u8  [1,3,300,300], RGB.
Output `boxes`  f32 [1,1917,4]: top, left, bottom, right as fractions of the input picture.
       `scores` f32 [1,1917,C]: sigmoid, one column a kept class, no background.

What is left of the TensorFlow graph: the backbone and the twelve heads. Every constant multiplication, addition and
batch norm is folded into the convolution below it; the preprocessing, anchors and box decoding are written anew, so
that only a threshold and non-maximum suppression stay outside. The same input gives the same bytes.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tfjs import Graph

SIDE = 300
ANCHORS = 1917
HEADS = 6
COCO_CLASSES = 91  # with the background at 0
# COCO numbers of what a recorder cares about, in the order of the cards' labels.
KEPT = {"person": 1, "bicycle": 2, "car": 3, "motorcycle": 4, "bus": 6, "truck": 8,
        "bird": 16, "cat": 17, "dog": 18, "horse": 19, "sheep": 20, "cow": 21}
# The SSD box coder's variances (object_detection `faster_rcnn_box_coder`: 10, 10, 5, 5).
CENTRE_SCALE, SIZE_SCALE = 10.0, 5.0
STEM = "FeatureExtractor/MobilenetV2/Conv/"


@dataclass
class Folded:
    """gain * conv(x) + offset (+ residual), gain and offset by output channel."""

    conv: str
    gain: np.ndarray
    offset: np.ndarray
    residual: str | None


class Detector:
    """Grows the ONNX graph from the heads down to the picture."""

    def __init__(self, graph, int8_weights):
        self.graph = graph
        self.int8_weights = int8_weights
        self.nodes = []
        self.constants = []
        self.sizes = {}  # tensor -> (height, width, channels)
        self.constant("zero", np.float32(0))
        self.constant("six", np.float32(6))

    # -- small pieces

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv_weight(self, name, weight):
        """Stores [out, in, h, w]; as int8 with one scale an output channel when asked to."""
        if not self.int8_weights:
            return self.constant(name, weight)
        largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        scale = (np.maximum(largest, 1e-8) / np.float32(127)).astype(np.float32)
        steps = np.clip(np.rint(weight / scale[:, None, None, None]), -127, 127).astype(np.int8)
        stored = [self.constant(name + "/steps", steps), self.constant(name + "/scale", scale),
                  self.constant(name + "/zero", np.zeros(len(scale), np.int8))]
        return self.node("DequantizeLinear", stored, name, axis=0)

    # -- the network

    def picture(self):
        """u8 0..255 -> f32 -1..1, as MobileNet was trained."""
        self.node("Cast", ["image"], "image/f32", to=TensorProto.FLOAT)
        self.node("Mul", ["image/f32", self.constant("image/gain", np.float32(2 / 255))], "image/scaled")
        self.node("Sub", ["image/scaled", self.constant("image/one", np.float32(1))], "image/normal")
        stem = next(n for n in self.graph.nodes if n.startswith(STEM) and self.graph.op(n) == "Conv2D")
        return self.graph.inputs(stem)[0], "image/normal"

    def fold(self, name):
        """Walks from a linear node to its convolution, gathering what is done to the convolution's output."""
        gain, offset, residual = np.float64(1), np.float64(0), None
        while True:
            op, inputs = self.graph.op(name), self.graph.inputs(name)
            if op in ("Conv2D", "DepthwiseConv2dNative"):
                return Folded(name, gain, offset, residual)
            if op.startswith("FusedBatchNorm"):
                gamma, beta, mean, variance = (self.graph.weights[i].astype(np.float64) for i in inputs[1:5])
                factor = gamma / np.sqrt(variance + self.graph.epsilon(name))
                offset = offset + gain * (beta - mean * factor)
                gain, name = gain * factor, inputs[0]
                continue
            if op not in ("Add", "AddV2", "AddN", "BiasAdd", "Mul") or len(inputs) != 2:
                raise SystemExit(f"{name}: operator {op} is not one this network is known to use")
            fixed = [i for i in inputs if self.graph.op(i) == "Const"]
            if fixed:
                value = self.graph.weights[fixed[0]].astype(np.float64).reshape(-1)
                if op == "Mul":
                    gain = gain * value
                else:
                    offset = offset + gain * value
                name = next(i for i in inputs if i not in fixed)
            else:
                own = next(i for i in inputs if self.graph.op(i) == "Conv2D")
                residual = next(i for i in inputs if i != own)
                name = own

    def tensor(self, name):
        """ONNX tensor that holds what the TensorFlow node gives; the node is converted on first use."""
        if name in self.sizes:
            return name
        if self.graph.op(name) == "Relu6":
            below = self.tensor(self.graph.inputs(name)[0])
            self.node("Clip", [below, "zero", "six"], name)
            self.sizes[name] = self.sizes[below]
            return name
        folded = self.fold(name)
        if folded.residual is None:
            return self.convolution(folded, name)
        other = self.tensor(folded.residual)
        mine = self.convolution(folded, name + "/conv")
        self.node("Add", [other, mine], name)
        self.sizes[name] = self.sizes[mine]
        return name

    def convolution(self, folded, output):
        source, kernel = self.graph.inputs(folded.conv)
        source = self.alias.get(source) or self.tensor(source)
        height, width, channels = self.sizes[source]
        weight = self.graph.weights[kernel].astype(np.float64)
        k, stride = weight.shape[0], self.graph.stride(folded.conv)
        if self.graph.op(folded.conv) == "Conv2D":
            weight, groups = weight.transpose(3, 2, 0, 1), 1  # h, w, in, out -> out, in, h, w
        else:
            weight, groups = weight.transpose(2, 3, 0, 1).reshape(-1, 1, k, k), channels
        outs = len(weight)
        weight = weight * np.broadcast_to(folded.gain, outs)[:, None, None, None]
        bias = np.broadcast_to(folded.offset, outs)
        (rows, top, bottom), (columns, left, right) = (
            padding(side, k, stride, self.graph.pads_same(folded.conv)) for side in (height, width))
        self.sizes[output] = (rows, columns, outs)
        stored = [self.conv_weight(output + "/weight", weight.astype(np.float32)),
                  self.constant(output + "/bias", bias.astype(np.float32))]
        return self.node("Conv", [source, *stored], output, kernel_shape=[k, k], strides=[stride, stride],
                         pads=[top, left, bottom, right], group=groups)

    def keep_classes(self, head, kept):
        """Drops the columns of unwanted classes from a class head's weights and bias."""
        bias = next(i for i in self.graph.inputs(head) if self.graph.op(i) == "Const")
        conv = next(i for i in self.graph.inputs(head) if i != bias)
        kernel = self.graph.inputs(conv)[1]
        per_cell = self.graph.weights[kernel].shape[-1] // COCO_CLASSES
        columns = [cell * COCO_CLASSES + c for cell in range(per_cell) for c in kept]
        for name in (kernel, bias):
            self.graph.weights[name] = self.graph.weights[name][..., columns]

    def head(self, name, depth):
        """One head -> [1, anchors of its grid, depth]."""
        source = self.tensor(name)
        rows, columns, channels = self.sizes[source]
        last = self.node("Transpose", [source], name + "/nhwc", perm=[0, 2, 3, 1])
        shape = np.array([1, rows * columns * channels // depth, depth], np.int64)
        return self.node("Reshape", [last, self.constant(name + "/shape", shape)], name + "/flat")

    def decode(self, codes):
        """Box codes [1,1917,4] -> corners, relative to the anchors that the TensorFlow graph carries."""
        corners = self.graph.weights["Postprocessor/ExpandDims"].reshape(ANCHORS, 4).astype(np.float64)
        low, high = corners[:, :2], corners[:, 2:]
        size, centre = (high - low)[None], ((low + high) / 2)[None]
        axis = self.constant("axis", np.array([2], np.int64))
        ends = [self.constant(f"at/{i}", np.array([i], np.int64)) for i in (0, 2, 4)]
        self.node("Slice", [codes, ends[0], ends[1], axis], "code/centre")
        self.node("Slice", [codes, ends[1], ends[2], axis], "code/size")
        step = self.constant("anchor/step", (size / CENTRE_SCALE).astype(np.float32))
        half = self.constant("anchor/half", (size / 2).astype(np.float32))
        self.node("Mul", ["code/centre", step], "centre/moved")
        self.node("Add", ["centre/moved", self.constant("anchor/centre", centre.astype(np.float32))], "centre")
        self.node("Mul", ["code/size", self.constant("size/gain", np.float32(1 / SIZE_SCALE))], "size/log")
        self.node("Exp", ["size/log"], "size/factor")
        self.node("Mul", ["size/factor", half], "half")
        self.node("Sub", ["centre", "half"], "low")
        self.node("Add", ["centre", "half"], "high")
        self.node("Concat", ["low", "high"], "boxes", axis=2)

    def build(self, kept):
        source, normal = self.picture()
        self.alias = {source: normal}
        self.sizes[normal] = (SIDE, SIDE, 3)
        codes, logits = [], []
        for k in range(HEADS):
            codes.append(self.head(f"BoxPredictor_{k}/BoxEncodingPredictor/BiasAdd", 4))
            classes = f"BoxPredictor_{k}/ClassPredictor/BiasAdd"
            self.keep_classes(classes, kept)
            logits.append(self.head(classes, len(kept)))
        self.decode(self.node("Concat", codes, "codes", axis=1))
        self.node("Sigmoid", [self.node("Concat", logits, "logits", axis=1)], "scores")
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes, "ssdlite_mobilenet_v2_coco",
            [value("image", TensorProto.UINT8, [1, 3, SIDE, SIDE])],
            [value("boxes", TensorProto.FLOAT, [1, ANCHORS, 4]),
             value("scores", TensorProto.FLOAT, [1, ANCHORS, len(kept)])],
            self.constants)
        # Opset 13 has DequantizeLinear by channel; IR 8 is what goes with it.
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)],
                                  producer_name="nightjar-models")
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model


def padding(side, kernel, stride, same):
    """(outputs, pad before, pad after) of one axis; SAME puts the odd cell after, as TensorFlow does."""
    if not same:
        return (side - kernel) // stride + 1, 0, 0
    outputs = -(-side // stride)
    total = max((outputs - 1) * stride + kernel - side, 0)
    return outputs, total // 2, total - total // 2


def main():
    arguments = argparse.ArgumentParser(description="TensorFlow.js SSDLite folder -> ONNX detector")
    arguments.add_argument("folder", help="folder with model.json and its shards")
    arguments.add_argument("out", help="ONNX file to write")
    arguments.add_argument("--weights", choices=("f32", "int8"), default="f32",
                           help="int8: one scale an output channel, about a quarter of the size")
    given = arguments.parse_args()
    model = Detector(Graph(given.folder), given.weights == "int8").build(list(KEPT.values()))
    with open(given.out, "wb") as out:
        out.write(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
