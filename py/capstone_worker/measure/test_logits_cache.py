from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from capstone_worker.errors import Stopped
from capstone_worker.locked import locked
from capstone_worker.measure import logits_cache
from capstone_worker.measure.logits_cache import LogitsKey
from capstone_worker.report import Event, never_stop

KEY = LogitsKey(
    model_sha256="a" * 64,
    record={"model": {"image_size": 32}, "normalisation": {"mean": [0.5] * 3, "std": [0.5] * 3}},
    dataset_digest="b" * 64,
    eval_samples=5,
    seed=0,
    runtime="torch",
    dtype="float32",
    software={"torch": "2.2.2"},
    threads=2,
)
LOGITS = torch.randn(5, 10)


def cached_logits(key: LogitsKey, compute: Callable[[], Tensor]) -> Tensor:
    return logits_cache.cached_logits(key, compute, lambda event: None, never_stop)


def never() -> Tensor:
    raise AssertionError("computed again")


def test_computed_once() -> None:
    assert torch.equal(cached_logits(KEY, lambda: LOGITS), LOGITS)
    assert torch.equal(cached_logits(KEY, never), LOGITS)


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, model_sha256="c" * 64),
        replace(KEY, record={**KEY.record, "model": {"image_size": 64}}),
        replace(KEY, record={**KEY.record, "normalisation": {"mean": [0.4] * 3, "std": [0.5] * 3}}),
        replace(KEY, record={**KEY.record, "code": {"function": "net", "sha256": "c" * 64}}),
        replace(KEY, dataset_digest="c" * 64),
        replace(KEY, eval_samples=6),
        replace(KEY, seed=1),
        replace(KEY, runtime="onnxruntime"),
        replace(KEY, dtype="bfloat16"),
        replace(KEY, software={"torch": "2.11.0"}),
        replace(KEY, threads=1),
    ],
)
def test_whatever_changes_a_logit_is_in_the_key(other: LogitsKey) -> None:
    cached_logits(KEY, lambda: LOGITS)
    assert torch.equal(cached_logits(other, lambda: LOGITS + 1), LOGITS + 1)


def cut(data: bytes) -> bytes:
    return data[:-7]


@pytest.mark.parametrize(
    "damage", [cut, lambda data: b"", lambda data: b"\x80\x04N.", lambda data: data.replace(b"<f4", b"<i4")]
)
def test_a_damaged_file_is_made_again(cache: Path, damage: Callable[[bytes], bytes]) -> None:
    cached_logits(KEY, lambda: LOGITS)
    (file,) = (path for path in (cache / "logits").iterdir() if path.suffix != ".lock")
    file.write_bytes(damage(file.read_bytes()))
    assert torch.equal(cached_logits(KEY, lambda: LOGITS + 1), LOGITS + 1)
    assert torch.equal(cached_logits(KEY, never), LOGITS + 1)


def test_a_failure_leaves_nothing() -> None:
    with pytest.raises(AssertionError):
        cached_logits(KEY, never)
    assert torch.equal(cached_logits(KEY, lambda: LOGITS), LOGITS)


def test_who_waits_for_another_process_can_be_stopped(cache: Path) -> None:
    cached_logits(KEY, lambda: LOGITS)
    (file,) = (path for path in (cache / "logits").iterdir() if path.suffix != ".lock")
    lock = file.with_name(f"{file.name}.lock")
    events: list[Event] = []
    with locked(lock, events.append, never_stop), pytest.raises(Stopped):
        logits_cache.cached_logits(KEY, never, events.append, lambda: bool(events))
    assert events == [{"type": "phase", "phase": "wait"}]
