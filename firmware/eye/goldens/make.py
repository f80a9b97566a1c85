"""A picture -> the clips that decoders are tried on: `h264.units` and `h265.units`, with what they must decode to.

usage: make.py PICTURE OUTDIR     needs ffmpeg with libx264 and libx265. The clips are committed: decoding H.264 and H.265
is exact by their standards, so every right decoder gives these very pictures.

A `.units` file: u32 little-endian length and that many bytes, again and again: the avcC or hvcC record, the access units
with NAL units behind four-byte lengths, and last the CRC-32 of each decoded picture (I420, u32 little-endian).
"""

import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

WIDTH, HEIGHT, PICTURES = 640, 360, 12
CODECS = {"h264": ["-c:v", "libx264", "-profile:v", "main", "-preset", "slow", "-crf", "34"],
          "h265": ["-c:v", "libx265", "-preset", "slow", "-crf", "36", "-tag:v", "hvc1", "-x265-params", "log-level=error"]}


def boxes(data):
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind.decode("latin1"), data[at + 8:at + size]
        at += size


def find(data, path):
    for kind in path:
        data = next(body for name, body in boxes(data) if name == kind)
    return data


def parts(mp4):
    """(configuration record, access units) of a file with one track in one chunk."""
    table = find(mp4, ["moov", "trak", "mdia", "minf", "stbl"])
    entry = find(table, ["stsd"])[8:]
    record = next(body for name, body in boxes(entry[8 + 78:]) if name in ("avcC", "hvcC"))
    sizes = find(table, ["stsz"])
    count = struct.unpack(">I", sizes[8:12])[0]
    at = struct.unpack(">I", find(table, ["stco"])[8:12])[0]
    units = []
    for size in struct.unpack(f">{count}I", sizes[12:12 + 4 * count]):
        units.append(mp4[at:at + size])
        at += size
    return record, units


def main():
    picture, out = sys.argv[1], Path(sys.argv[2])
    pan = (f"scale=1280:-2,crop={WIDTH}:{HEIGHT}:x='n*9':y='120+n*5',format=yuv420p")
    for codec, options in CODECS.items():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "clip.mp4"
            quiet = ["ffmpeg", "-v", "error", "-y"]
            subprocess.run([*quiet, "-loop", "1", "-i", picture, "-vf", pan, "-frames:v", str(PICTURES), "-r", "10", "-bf", "0",
                            "-threads", "1", *options, "-chunk_duration", "100000000", str(file)], check=True)
            raw = subprocess.run([*quiet, "-i", str(file), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
                                 check=True, capture_output=True).stdout
            record, units = parts(file.read_bytes())
        size = WIDTH * HEIGHT * 3 // 2
        sums = [zlib.crc32(raw[i:i + size]) for i in range(0, len(raw), size)]
        assert len(sums) == len(units) == PICTURES, (len(sums), len(units))
        chunks = [record, *units, struct.pack(f"<{PICTURES}I", *sums)]
        (out / f"{codec}.units").write_bytes(b"".join(struct.pack("<I", len(c)) + c for c in chunks))


if __name__ == "__main__":
    main()
