"""f32 ONNX detector + ranges of its activations -> the same detector in integers.

Bytes between the convolutions (u8, one scale and zero point a tensor), int8 weights (one scale an output channel),
i32 sums. A ReLU6 costs nothing: its range is the range of the bytes. The last convolution of each head gives its sums,
which are scaled to f32: box codes and scores keep their precision. The picture's bytes are the first layer's input.

The ranges are a file (calibrate.py measured them), so that the same input gives the same bytes on every machine.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# The f32 graph sees byte * STEP - 1; around 128 that is (byte - 128) * STEP + STEP / 2.
STEP, MIDDLE = 2 / 255, 128
# A sum starts at its bias; what is added to it is less than 2^26 for the deepest kernel here.
LARGEST_START = 2 ** 24


class Quantiser:
    """Walks the f32 graph from the picture down and writes each node anew."""

    def __init__(self, model, ranges):
        self.graph = model.graph
        self.ranges = ranges
        self.values = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        self.users = {}
        for node in self.graph.node:
            for name in node.input:
                self.users.setdefault(name, []).append(node)
        self.nodes, self.constants = [], []
        self.bytes = {}  # f32 tensor -> (u8 tensor, scale, zero point)
        self.offset = {}  # u8 tensor -> what is missing of the real value

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def node(self, op, inputs, output, domain="", **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def scale_of(self, name):
        """(scale, zero point) of a tensor; zero is exact."""
        low, high = self.ranges[name]
        low, high = min(low, 0.0), max(high, 0.0)
        scale = np.float32((high - low) / 255)
        return scale, np.uint8(np.clip(np.rint(-low / scale), 0, 255))

    def named_scale(self, name, scale, zero):
        return [self.constant(name + "/scale", np.float32(scale)), self.constant(name + "/zero", np.uint8(zero))]

    def weight(self, name, weight, bias, scale_in):
        """int8 steps and their scale; a channel of next to nothing but bias gets a scale in which its bias is a number."""
        largest = np.abs(weight).reshape(len(weight), -1).max(axis=1) / 127
        scale = np.maximum(np.maximum(largest, np.abs(bias) / scale_in / LARGEST_START), 1e-8).astype(np.float32)
        steps = np.clip(np.rint(weight / scale[:, None, None, None]), -127, 127).astype(np.int8)
        return self.constant(name + "/steps", steps), scale

    def convolution(self, node):
        source, kernel, bias = node.input
        tensor, scale, zero = self.bytes[source]
        weight, bias = self.values[kernel].astype(np.float64), self.values[bias].astype(np.float64)
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        output = node.output[0]
        # What the steps make of the part of the input that the bytes cannot say.
        missing = self.offset.get(tensor, 0.0)
        bias = bias + missing * weight.reshape(len(weight), -1).sum(axis=1)
        steps, weight_scale = self.weight(node.name, weight.astype(np.float32), bias, np.float64(scale))
        user = self.users[output][0]
        if user.op_type == "Transpose":
            sums = self.node("ConvInteger", [tensor, steps, source + "/zero"], output + "/sums", **attributes)
            as_f32 = self.node("Cast", [sums], output + "/f32", to=TensorProto.FLOAT)
            gain = (np.float64(scale) * weight_scale).astype(np.float32)
            gained = self.node("Mul", [as_f32, self.constant(output + "/gain", gain[None, :, None, None])], output + "/scaled")
            self.node("Add", [gained, self.constant(output + "/bias", bias.astype(np.float32)[None, :, None, None])], output)
            return
        result = user.output[0] if user.op_type == "Clip" else output
        y_scale, y_zero = self.scale_of(result)
        start = np.rint(bias / (np.float64(scale) * weight_scale)).astype(np.int32)
        self.node("QLinearConv", [
            tensor, source + "/scale", source + "/zero",
            steps, self.constant(node.name + "/steps/scale", weight_scale),
            self.constant(node.name + "/steps/zero", np.zeros(len(weight_scale), np.int8)),
            *self.named_scale(result, y_scale, y_zero), self.constant(node.name + "/start", start),
        ], result, **attributes)
        self.bytes[result] = (result, y_scale, y_zero)

    def build(self):
        rewritten = {"Cast", "Mul", "Sub"}
        body = list(self.graph.node)
        first = next(i for i, n in enumerate(body) if n.op_type == "Conv")
        if {n.op_type for n in body[:first]} - rewritten - {"DequantizeLinear"}:
            raise SystemExit("the graph does not begin as this tool knows it")
        picture = body[first].input[0]
        self.named_scale(picture, STEP, MIDDLE)
        self.bytes[picture] = ("image", np.float32(STEP), np.uint8(MIDDLE))
        self.offset["image"] = STEP / 2
        for node in body[first:]:
            if node.op_type == "Conv":
                self.convolution(node)
            elif node.op_type == "Clip" and node.output[0] in self.bytes:
                continue
            elif node.op_type == "Add" and all(i in self.bytes for i in node.input):
                (a, *_), (b, *_) = (self.bytes[i] for i in node.input)
                output = node.output[0]
                scale, zero = self.scale_of(output)
                inputs = [part for t, n in zip((a, b), node.input) for part in (t, n + "/scale", n + "/zero")]
                self.node("QLinearAdd", [*inputs, *self.named_scale(output, scale, zero)], output, domain="com.microsoft")
                self.bytes[output] = (output, scale, zero)
            else:
                if any(i in self.bytes for i in node.input):
                    raise SystemExit(f"{node.name}: {node.op_type} is not one this tool knows in bytes")
                self.nodes.append(node)
        used = {i for n in self.nodes for i in n.input}
        kept = [t for t in self.graph.initializer if t.name in used]
        ours = {t.name for t in self.constants}
        graph = helper.make_graph(self.nodes, self.graph.name + "_int8", self.graph.input, self.graph.output,
                                  [t for t in kept if t.name not in ours] + [t for t in self.constants if t.name in used])
        model = helper.make_model(graph, producer_name="nightjar-models", opset_imports=[
            helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model


def main():
    arguments = argparse.ArgumentParser(description="f32 ONNX detector + ranges -> int8 ONNX detector")
    arguments.add_argument("f32", help="ONNX file")
    arguments.add_argument("ranges", help="JSON file of calibrate.py")
    arguments.add_argument("out", help="ONNX file to write")
    given = arguments.parse_args()
    ranges = json.loads(Path(given.ranges).read_text())["ranges"]
    model = Quantiser(onnx.load(given.f32), ranges).build()
    with open(given.out, "wb") as out:
        out.write(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
