"""Make the bundled data set `fashion_mnist_mini` from Debian's package dataset-fashion-mnist.

The first 1,000 training and 500 test images of each class, in the official order, as gzipped IDX files.
The same input gives the same bytes: gzip level 9 with time stamp 0 and no file name (the bytes also depend
on the zlib in use; the pixels do not).

    python benchmarks/make_fashion_mnist_mini.py      # writes py/capstone_worker/data/fashion_mnist_mini/

Source: Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747; https://github.com/zalandoresearch/fashion-mnist (MIT).
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
SPLITS = {"train": ("train", 1000), "test": ("t10k", 500)}  # ours: (official prefix, images per class)
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
HEADER_BYTES = {"images-idx3": 16, "labels-idx1": 8}
SIDE = 28


def main() -> None:
    """Read the official files, write the small ones."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument(
        "--output", type=Path, default=ROOT / "py" / "capstone_worker" / "data" / "fashion_mnist_mini"
    )
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for split, (official, per_class) in SPLITS.items():
        labels = read_idx(args.source, official, "labels-idx1")
        images = read_idx(args.source, official, "images-idx3").reshape(-1, SIDE, SIDE)
        chosen = np.sort(
            np.concatenate([np.flatnonzero(labels == label)[:per_class] for label in range(len(CLASSES))])
        )
        write_idx(args.output / f"{split}-labels-idx1-ubyte.gz", labels[chosen])
        write_idx(args.output / f"{split}-images-idx3-ubyte.gz", images[chosen])
    (args.output / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES), encoding="utf-8")


def read_idx(folder: Path, prefix: str, kind: str) -> npt.NDArray[np.uint8]:
    """Bytes of an official IDX file without its header, uint8 (n,)."""
    data = gzip.decompress((folder / f"{prefix}-{kind}-ubyte.gz").read_bytes())
    return np.frombuffer(data, np.uint8, offset=HEADER_BYTES[kind])


def write_idx(path: Path, array: npt.NDArray[np.uint8]) -> None:
    """IDX: bytes 0, 0, 8 (uint8), number of dimensions, each size as big-endian uint32, the bytes."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
