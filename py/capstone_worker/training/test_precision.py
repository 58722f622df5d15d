import json
from pathlib import Path

import pytest

from capstone_worker.training import precision
from capstone_worker.training.precision import PrecisionRow, read_table, resolve


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """bf16 pays from batch 64 on, and no longer from 512 on."""
    measured = {"fp32_images_s": 100.0, "bf16_images_s": 200.0, "torch": "2.2.2", "measured": "2026-01-01"}
    of = {"isa": "amx", "family": "resnet", "stem": "cifar"}
    rows = [
        {**of, **measured, "min_batch_size": 512, "precision": "fp32"},
        {**of, **measured, "min_batch_size": 64, "precision": "bf16"},
    ]
    path = tmp_path / "precision.json"
    path.write_text(json.dumps(rows))
    monkeypatch.setattr(precision, "TABLE", path)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    "batch_size, expected", [(1, "fp32"), (63, "fp32"), (64, "bf16"), (511, "bf16"), (512, "fp32")]
)
def test_auto_takes_the_row_of_the_largest_batch_size_reached(batch_size: int, expected: str) -> None:
    assert resolve("auto", isa="amx", family="resnet", stem="cifar", batch_size=batch_size) == expected


@pytest.mark.usefixtures("table")
def test_without_a_row_fp32() -> None:
    assert resolve("auto", isa="amx", family="vit", stem="cifar", batch_size=64) == "fp32"
    assert resolve("auto", isa="avx2", family="resnet", stem="cifar", batch_size=64) == "fp32"
    assert resolve("auto", isa="amx", family="resnet", stem="imagenet", batch_size=64) == "fp32"


@pytest.mark.usefixtures("table")
def test_what_was_asked_for_is_kept() -> None:
    assert resolve("bf16", isa="other", family="vit", stem="cifar", batch_size=1) == "bf16"
    assert resolve("fp32", isa="amx", family="resnet", stem="cifar", batch_size=64) == "fp32"


def test_committed_table_says_what_it_measured() -> None:
    def key(row: PrecisionRow) -> tuple[str, str, str, int]:
        return row.isa, row.family, row.stem, row.min_batch_size

    rows = read_table()
    assert rows == sorted(rows, key=key)
    assert len({key(row) for row in rows}) == len(rows) > 0
    for row in rows:
        assert row.precision == ("bf16" if row.bf16_images_s > row.fp32_images_s else "fp32")
