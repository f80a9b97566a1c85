#!/usr/bin/python3
"""Pictures in, boxes around what is bright out: an example of firmware/eye/PROTOCOL.md in the standard library alone."""

import json
import sys

WIDTH, HEIGHT = 160, 96
CELL = 8  # a box is made of cells of so many pixels a side
BRIGHT = 200  # luma, 0 to 255


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def bright_cells(width, height, rgb):
    """Cells whose mean luma (BT.601, in 256ths) is bright, with that mean."""
    cells = {}
    for top in range(0, height - CELL + 1, CELL):
        for left in range(0, width - CELL + 1, CELL):
            total = 0
            for y in range(top, top + CELL):
                row = rgb[3 * (y * width + left) : 3 * (y * width + left + CELL)]
                total += 77 * sum(row[0::3]) + 150 * sum(row[1::3]) + 29 * sum(row[2::3])
            mean = total / (256 * CELL * CELL)
            if mean >= BRIGHT:
                cells[left // CELL, top // CELL] = mean
    return cells


def blobs(cells):
    """Cells that touch, side by side, belong together."""
    while cells:
        first, _ = next(iter(cells.items()))
        blob, todo = {}, [first]
        while todo:
            x, y = cell = todo.pop()
            if cell in cells:
                blob[cell] = cells.pop(cell)
                todo += [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]
        yield blob


def things(width, height, rgb):
    for blob in blobs(bright_cells(width, height, rgb)):
        xs, ys = [x for x, _ in blob], [y for _, y in blob]
        yield {
            "label": "bright",
            "score": round(sum(blob.values()) / len(blob) / 255, 3),
            "x": min(xs) * CELL / width,
            "y": min(ys) * CELL / height,
            "w": (max(xs) - min(xs) + 1) * CELL / width,
            "h": (max(ys) - min(ys) + 1) * CELL / height,
        }


def main():
    pictures = sys.stdin.buffer
    hello = json.loads(pictures.readline())
    if hello["protocol"] != 1:
        say({"type": "error", "id": None, "words": f"speaks protocol 1, not {hello['protocol']}"})
        return
    say({"type": "hello", "protocol": 1, "name": "bright", "labels": ["bright"], "width": WIDTH, "height": HEIGHT})
    while line := pictures.readline():
        look = json.loads(line)
        rgb = pictures.read(look["bytes"])
        say({"type": "found", "id": look["id"], "things": list(things(look["width"], look["height"], rgb))})


if __name__ == "__main__":
    main()
