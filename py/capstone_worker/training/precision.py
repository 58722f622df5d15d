"""Which precision trains faster on a machine: looked up in `precision.json`, never guessed.

Where bf16 is emulated it is about ten times slower than fp32 (ResNet-18 on AVX2).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TABLE = Path(__file__).with_name("precision.json")

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class PrecisionRow:
    """One measurement; made by `benchmarks/precision.py`.

    Both precisions take turns, so their ratio holds on a busy machine, where both rates are too low: the
    first avx2 rows were made on one, that of the cifar stem from one step of 16 images.

    Attributes:
        isa: `amx`, `avx512_bf16`, `avx512_bf16_intel`, `avx512_vnni`, `avx512`, `avx2`, `neon` or `other`, as
            `measure.cpu.isa_class`; `cuda` of a GPU.
        family: of the network, for example `resnet`.
        stem: `imagenet` or `cifar`.
        min_batch_size: measured at this batch size, taken as true of all above it.
        precision: the faster one.
        fp32_images_s: images trained in a second.
        bf16_images_s: likewise.
        torch: version.
        measured: date, YYYY-MM-DD.
    """

    isa: str
    family: str
    stem: str
    min_batch_size: int
    precision: Precision
    fp32_images_s: float
    bf16_images_s: float
    torch: str
    measured: str


def resolve(
    requested: Literal["auto", "fp32", "bf16"],
    *,
    isa: str,
    family: str,
    stem: str,
    batch_size: int,
) -> Precision:
    """The precision to train in.

    A precision that was asked for is kept. For `auto`, of the rows in `precision.json` whose isa, family and
    stem are these and whose min_batch_size is at most batch_size, the one with the largest min_batch_size
    says it; without such a row it is fp32. TypeScript reads the same file by the same rule.
    """
    if requested != "auto":
        return requested
    rows = [row for row in read_table() if (row.isa, row.family, row.stem) == (isa, family, stem)]
    reached = [row for row in rows if row.min_batch_size <= batch_size]
    return max(reached, key=lambda row: row.min_batch_size).precision if reached else "fp32"


def read_table() -> list[PrecisionRow]:
    """All rows of the committed table."""
    return [PrecisionRow(**row) for row in json.loads(TABLE.read_text(encoding="utf-8"))]
