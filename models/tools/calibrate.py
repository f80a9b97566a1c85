"""f32 ONNX detector + pictures -> the range of every tensor between its convolutions, as JSON on standard output.

Run once by whoever adds a model; the file that it writes is committed (models/ranges), the pictures are not. Every
picture is looked at whole, in crops, mirrored, dark and bright, as cameras see things. A range is the mean of the
pictures' own ranges: one odd picture does not cost all others their resolution. A ReLU6 keeps 0..6 when it is reached.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image

CROPS = 6
# Share of a picture's numbers that may lie outside its range.
OUTSIDE = 1e-5


def looks(path, side, generator):
    """Inputs of one picture."""
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    for crop in range(CROPS + 1):
        share = 1.0 if crop == 0 else generator.uniform(0.3, 0.9)
        w, h = int(width * share), int(height * share)
        x, y = (int(generator.integers(0, space + 1)) for space in (width - w, height - h))
        part = picture.crop((x, y, x + w, y + h))
        part.thumbnail((side, side), Image.Resampling.BICUBIC)
        canvas = np.full((side, side, 3), 127, np.uint8)
        top, left = (side - part.height) // 2, (side - part.width) // 2
        canvas[top:top + part.height, left:left + part.width] = np.asarray(part)
        if crop % 2:
            canvas = canvas[:, ::-1]
        light = generator.uniform(0.35, 1.4)
        canvas = np.clip(canvas * light, 0, 255).astype(np.uint8)
        yield np.ascontiguousarray(canvas.transpose(2, 0, 1)[None])


def main():
    arguments = argparse.ArgumentParser(description="f32 ONNX detector + pictures -> ranges")
    arguments.add_argument("model", help="f32 ONNX file")
    arguments.add_argument("pictures", nargs="+", help="JPEG or PNG files")
    given = arguments.parse_args()
    model = onnx.load(given.model)
    wanted = [n.output[0] for n in model.graph.node if n.op_type in ("Conv", "Clip", "Add", "Relu")]
    shown = {o.name for o in model.graph.output}
    for name in wanted:
        if name not in shown:
            model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    side = session.get_inputs()[0].shape[2]
    generator = np.random.default_rng(7)
    lows, highs = {n: [] for n in wanted}, {n: [] for n in wanted}
    count = 0
    for path in given.pictures:
        for image in looks(path, side, generator):
            count += 1
            for name, value in zip(wanted, session.run(wanted, {session.get_inputs()[0].name: image})):
                low, high = np.quantile(value, [OUTSIDE, 1 - OUTSIDE])
                lows[name].append(low)
                highs[name].append(high)
    ranges = {n: [float(f"{np.mean(lows[n]):.4g}"), float(f"{np.mean(highs[n]):.4g}")] for n in wanted}
    print(json.dumps({
        "by": f"models/tools/calibrate.py on {count} looks at {', '.join(Path(p).name for p in given.pictures)}",
        "ranges": ranges,
    }, indent=1))


if __name__ == "__main__":
    main()
