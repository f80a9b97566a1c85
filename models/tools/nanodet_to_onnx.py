"""TensorFlow.js NanoDet-g (COCO) -> ONNX detector with decoded boxes, for any input whose sides are multiples of 32.

Input  `image`  u8  [1,3,rows,columns], RGB.
Output `boxes`  f32 [1,N,4]: top, left, bottom, right as fractions of the input picture; N = rows * columns * 21/1024.
       `scores` f32 [1,N,C]: sigmoid, one column a kept class, no background.

What is left of the TensorFlow graph: backbone, pyramid and the three heads. Layout changes and padding nodes go into
the convolutions, the colour order and the columns of unwanted classes into their weights; the distances (means of
softmax distributions, Generalized Focal Loss, Li et al. 2020) become corners here, so that only a threshold and
non-maximum suppression stay outside. The grid is computed from the input's size: a runtime that is told the size folds
it into constants. The same input gives the same bytes.
"""

import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tfjs import Graph

COCO_CLASSES = 80  # without a background
BINS = 11  # a distance is 0..10 cells
# Columns of what a recorder cares about, in the order of the cards' labels.
KEPT = {"person": 0, "bicycle": 1, "car": 2, "motorcycle": 3, "bus": 5, "truck": 7,
        "bird": 14, "cat": 15, "dog": 16, "horse": 17, "sheep": 18, "cow": 19}
# The network was trained on blue, green, red with these (its configuration file); here red, green, blue.
MEAN = (123.675, 116.28, 103.53)
DEVIATION = (58.395, 57.12, 57.375)
# The distances' order in the network is left, top, right, bottom.
TOP_LEFT_BOTTOM_RIGHT = (1, 0, 3, 2)
THROUGH = ("Transpose", "Identity", "Reshape")


class Detector:
    """Grows the ONNX graph from the heads down to the picture."""

    def __init__(self, graph, int8_weights):
        self.graph = graph
        self.int8_weights = int8_weights
        self.nodes = []
        self.constants = []
        self.made = {}  # TensorFlow node -> ONNX tensor

    # -- small pieces

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
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
        """u8 0..255 -> as the network was trained."""
        column = lambda values: np.array(values, np.float32).reshape(1, 3, 1, 1)
        self.node("Cast", ["image"], "image/f32", to=TensorProto.FLOAT)
        self.node("Sub", ["image/f32", self.constant("image/mean", column(MEAN))], "image/centred")
        gain = self.constant("image/gain", (1 / column(DEVIATION)).astype(np.float32))
        return self.node("Mul", ["image/centred", gain], "image/normal")

    def source(self, name):
        """The node that gives a node's data, without what only changes its layout."""
        while self.graph.op(name) in THROUGH:
            name = self.graph.inputs(name)[0]
        return name

    def tensor(self, name):
        """ONNX tensor that holds what the TensorFlow node gives; the node is converted on first use."""
        name = self.source(name)
        if name not in self.made:
            self.made[name] = self.convert(name)
        return self.made[name]

    def convert(self, name):
        op, inputs = self.graph.op(name), self.graph.inputs(name)
        if op == "Placeholder":
            return self.picture()
        if op == "Add":
            fixed = [i for i in inputs if self.graph.op(i) == "Const"]
            if fixed:
                return self.convolution(next(i for i in inputs if i not in fixed), self.graph.weights[fixed[0]], name)
            return self.node("Add", [self.tensor(i) for i in inputs], name)
        if op == "LeakyRelu":
            return self.node("LeakyRelu", [self.tensor(inputs[0])], name, alpha=self.graph.slope(name))
        if op == "ConcatV2":
            return self.node("Concat", [self.tensor(i) for i in inputs[:-1]], name, axis=1)
        if op == "MaxPool":
            return self.node("MaxPool", [self.padded(inputs[0])], name, kernel_shape=[3, 3], strides=[2, 2],
                             pads=[1, 1, 1, 1])
        if op == "ResizeBilinear":
            return self.resize(inputs, name)
        raise SystemExit(f"{name}: operator {op} is not one this network is known to use")

    def padded(self, name):
        """What stands below a padding of one cell on every side."""
        name = self.source(name)
        if self.graph.op(name) not in ("Pad", "PadV2"):
            raise SystemExit(f"{name}: a padding was expected")
        below, by = self.graph.inputs(name)[:2]
        if self.graph.weights[by].tolist() != [[0, 0], [0, 0], [1, 1], [1, 1]]:
            raise SystemExit(f"{name}: pads otherwise than by one cell on every side")
        return self.tensor(below)

    def convolution(self, conv, bias, output):
        source, kernel = self.graph.inputs(conv)
        weight = self.graph.weights[kernel].transpose(3, 2, 0, 1)  # h, w, in, out -> out, in, h, w
        side, stride = weight.shape[-1], self.graph.stride(conv)
        below = self.tensor(source) if side == 1 else self.padded(source)
        if below == "image/normal":
            weight = weight[:, ::-1]
        if len(weight) == COCO_CLASSES + 4 * BINS:
            sides = [COCO_CLASSES + side * BINS + bin for side in TOP_LEFT_BOTTOM_RIGHT for bin in range(BINS)]
            rows = list(KEPT.values()) + sides
            weight, bias = weight[rows], bias[rows]
        stored = [self.conv_weight(output + "/weight", weight.astype(np.float32)),
                  self.constant(output + "/bias", bias.astype(np.float32))]
        return self.node("Conv", [below, *stored], output, kernel_shape=[side, side], strides=[stride, stride],
                         pads=[side // 2] * 4)

    def resize(self, inputs, name):
        """Between the pyramid's levels: twice the size, or half of it, which bilinear makes the mean of four."""
        finer = self.graph.weights[inputs[1]].tolist() > self.side(inputs[0])
        below = self.tensor(inputs[0])
        if not finer:
            return self.node("AveragePool", [below], name, kernel_shape=[2, 2], strides=[2, 2])
        scales = self.constant(name + "/scales", np.array([1, 1, 2, 2], np.float32))
        return self.node("Resize", [below, "", scales], name, mode="linear",
                         coordinate_transformation_mode="half_pixel")

    def side(self, name):
        """Rows and columns at the input of a resize, in the graph's own 416 by 416: those of the level it leaves."""
        name = self.source(name)
        while self.graph.op(name) not in ("ResizeBilinear", "Conv2D"):
            resized = [i for i in map(self.source, self.graph.inputs(name)) if self.graph.op(i) == "ResizeBilinear"]
            name = resized[0] if resized else self.source(self.graph.inputs(name)[0])
        if self.graph.op(name) == "ResizeBilinear":
            return self.graph.weights[self.graph.inputs(name)[1]].tolist()
        return [13, 13]  # the pyramid begins at its coarsest level

    # -- from heads to boxes

    def grid(self, head):
        """Of one level: its cells' middles [1,cells,4] and a cell's size [1,1,4], both as fractions, signed so that
        middle + size * distance is top, left, bottom, right."""
        part = lambda name: f"{head}/{name}"
        ints = lambda name, *values: self.constant(part(name), np.array(values, np.int64))
        self.node("Shape", [head], part("shape"))
        middles, sizes = [], []
        for axis, index, shape in (("rows", 2, (-1, 1)), ("columns", 3, (1, -1))):
            count = self.node("Gather", [part("shape"), self.constant(part(axis + "/at"), np.int64(index))],
                              part(axis + "/count"))
            self.node("Range", [self.constant(part(axis + "/0"), np.int64(0)), count,
                                self.constant(part(axis + "/1"), np.int64(1))], part(axis + "/range"))
            self.node("Cast", [part(axis + "/range")], part(axis + "/cell"), to=TensorProto.FLOAT)
            self.node("Cast", [count], part(axis + "/number"), to=TensorProto.FLOAT)
            self.node("Add", [part(axis + "/cell"), "half"], part(axis + "/middle"))
            self.node("Div", [part(axis + "/middle"), part(axis + "/number")], part(axis + "/fraction"))
            self.node("Reshape", [part(axis + "/fraction"), ints(axis + "/line", *shape)], part(axis + "/laid"))
            self.node("Div", ["one", part(axis + "/number")], part(axis + "/size"))
            sizes.append(self.node("Reshape", [part(axis + "/size"), ints(axis + "/single", 1, 1, 1)],
                                   part(axis + "/sized")))
        self.node("Slice", [part("shape"), ints("from", 2), ints("to", 4)], part("plane"))
        for axis in ("rows", "columns"):
            self.node("Expand", [part(axis + "/laid"), part("plane")], part(axis + "/filled"))
            middles.append(self.node("Reshape", [part(axis + "/filled"), ints(axis + "/list", 1, -1, 1)],
                                     part(axis + "/middles")))
        less = [self.node("Neg", [s], s + "/less") for s in sizes]
        return (self.node("Concat", middles * 2, part("middles"), axis=2),
                self.node("Concat", less + sizes, part("sizes"), axis=2))

    def level(self, head):
        """One head [1,C+44,rows,columns] -> its logits [1,cells,C] and corners [1,cells,4]."""
        part = lambda name: f"{head}/{name}"
        flat = self.constant(part("list"), np.array([1, len(KEPT) + 4 * BINS, -1], np.int64))
        self.node("Reshape", [head, flat], part("listed"))
        self.node("Transpose", [part("listed")], part("cells"), perm=[0, 2, 1])
        self.node("Slice", [part("cells"), "at/0", "at/classes", "axis"], part("logits"))
        self.node("Slice", [part("cells"), "at/classes", "at/end", "axis"], part("codes"))
        self.node("Reshape", [part("codes"), "sides"], part("bins"))
        self.node("Softmax", [part("bins")], part("shares"), axis=3)
        self.node("MatMul", [part("shares"), "distances"], part("means"))
        self.node("Reshape", [part("means"), "corners"], part("cells away"))
        middles, sizes = self.grid(head)
        self.node("Mul", [part("cells away"), sizes], part("away"))
        return part("logits"), self.node("Add", [middles, part("away")], part("boxes"))

    def heads(self):
        """The three nodes that give classes and distances, finest level first."""
        splits = [n for n in self.graph.nodes if self.graph.op(n) == "SplitV"]
        if len(splits) != 3:
            raise SystemExit(f"{len(splits)} heads, not 3")
        return [self.graph.inputs(s)[0] for s in splits]

    def build(self):
        for name, value in (("half", np.float32(0.5)), ("one", np.float32(1)),
                            ("axis", np.array([2], np.int64)), ("at/0", np.array([0], np.int64)),
                            ("at/classes", np.array([len(KEPT)], np.int64)),
                            ("at/end", np.array([len(KEPT) + 4 * BINS], np.int64)),
                            ("sides", np.array([1, -1, 4, BINS], np.int64)),
                            ("corners", np.array([1, -1, 4], np.int64)),
                            ("distances", np.arange(BINS, dtype=np.float32).reshape(BINS, 1))):
            self.constant(name, value)
        levels = [self.level(self.tensor(head)) for head in self.heads()]
        self.node("Sigmoid", [self.node("Concat", [logits for logits, _ in levels], "logits", axis=1)], "scores")
        self.node("Concat", [boxes for _, boxes in levels], "boxes", axis=1)
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes, "nanodet_g_coco",
            [value("image", TensorProto.UINT8, [1, 3, "rows", "columns"])],
            [value("boxes", TensorProto.FLOAT, [1, "cells", 4]),
             value("scores", TensorProto.FLOAT, [1, "cells", len(KEPT)])],
            self.constants)
        # Opset 13 has DequantizeLinear by channel; IR 8 is what goes with it.
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)],
                                  producer_name="nightjar-models")
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model


def main():
    arguments = argparse.ArgumentParser(description="TensorFlow.js NanoDet -> ONNX detector")
    arguments.add_argument("model", help="the model's JSON file, its weights beside it")
    arguments.add_argument("out", help="ONNX file to write")
    arguments.add_argument("--weights", choices=("f32", "int8"), default="f32",
                           help="int8: one scale an output channel, about a quarter of the size")
    given = arguments.parse_args()
    model = Detector(Graph(given.model), given.weights == "int8").build()
    with open(given.out, "wb") as out:
        out.write(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
