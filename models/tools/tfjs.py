"""TensorFlow.js graph model (JSON file or folder of model.json, weights beside it) -> nodes by name, weights as arrays."""

import base64
import json
from pathlib import Path

import numpy as np

DTYPES = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4"), "float16": np.dtype("<f2")}


class Graph:
    """A frozen TensorFlow graph: `nodes[name]` as the JSON says it, `weights[name]` as arrays."""

    def __init__(self, path):
        path = Path(path)
        file = path / "model.json" if path.is_dir() else path
        folder = file.parent
        model = json.loads(file.read_text())
        self.nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
        self.weights = {}
        for group in model["weightsManifest"]:
            blob = b"".join((folder / shard).read_bytes() for shard in group["paths"])
            at = 0
            for entry in group["weights"]:
                stored = DTYPES[entry.get("quantization", entry)["dtype"]]
                count = int(np.prod(entry["shape"], dtype=np.int64))
                values = np.frombuffer(blob, stored, count, at).reshape(entry["shape"])
                self.weights[entry["name"]] = values.astype(DTYPES[entry["dtype"]], copy=False)
                at += count * stored.itemsize

    def op(self, name):
        """Operator name of a node."""
        return self.nodes[name]["op"]

    def inputs(self, name):
        """Names of the nodes that feed a node; control edges (`^name`) and output numbers (`:0`) left out."""
        return [i.split(":")[0] for i in self.nodes[name].get("input", []) if not i.startswith("^")]

    def stride(self, name):
        """Row stride of a convolution (`strides` is N, H, W, C)."""
        return int(self.nodes[name]["attr"]["strides"]["list"]["i"][1])

    def pads_same(self, name):
        """Whether a convolution pads as TensorFlow's SAME does; the other kind is VALID."""
        text = self.nodes[name]["attr"]["padding"]["s"]
        text = bytes(text) if isinstance(text, list) else base64.b64decode(text)
        return text == b"SAME"

    def epsilon(self, name):
        """The epsilon of a fused batch norm."""
        return float(self.nodes[name]["attr"].get("epsilon", {}).get("f", 1e-3))

    def slope(self, name):
        """The slope of a leaky ReLU below zero."""
        return float(self.nodes[name]["attr"].get("alpha", {}).get("f", 0.2))
