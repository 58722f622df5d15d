"""What takes turns with what, and what is said of it, by times that are known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from ..measure.best_original import EAGER
from ..measure.latency import Timed
from ..report import never_stop
from ..runtimes.runtime import Prepared
from . import rotation
from .rotation import Rotation, timed_beside

STEADY = np.full((8, 1), 4e6)
UNSTEADY = np.repeat([[1e6], [1.5e6]], 4, axis=0)


def same(images: Tensor) -> Tensor:
    return images


def test_forms_that_are_among_the_models_are_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And everything of torch's shares its threads, where every other session has its own."""
    asked: dict[str, object] = {}

    def alternate(calls: Mapping[str, object], **more: object) -> Timed:
        asked.update(more, calls=list(calls))
        return Timed(dict.fromkeys(calls, STEADY), [])

    monkeypatch.setattr(rotation, "alternate", alternate)
    original, eager = Prepared(same, "float32"), Prepared(same, "float32", "torch")
    models = {"original": original, "artifact 0": Prepared(same, "int8")}
    forms = {EAGER: eager, "torch_frozen float32": Prepared(same, "float32", "torch")}
    found = timed_beside(models, {**forms, "openvino float32": original}, torch.zeros(1), never_stop)
    assert found.forms == {**{name: name for name in forms}, "openvino float32": "original"}
    assert asked["calls"] == ["original", "artifact 0", *forms]
    assert asked["pairs"] == [("original", "artifact 0")]
    assert asked["pools"] == {
        "original": "original",
        "artifact 0": "artifact 0",
        **dict.fromkeys(forms, "torch"),
    }


def test_the_best_is_the_fastest_that_loses_nothing() -> None:
    forms = {EAGER: "eager", "bfloat16": "b", "float32": "f"}
    timed = Timed({"eager": STEADY, "b": STEADY / 4, "f": STEADY / 2}, [])
    found = Rotation(timed, forms)
    assert found.best(lambda form: form != "bfloat16") == "float32"
    assert found.original("float32") == {
        "eager_latency_ms": 4,
        "best_original_runtime": "float32",
        "best_original_latency_ms": 2,
    }


def test_a_best_that_is_unsteady_is_noise_and_is_named_once() -> None:
    found = Rotation(Timed({"o": UNSTEADY, "c": STEADY}, []), {EAGER: "o", "form": "o"})
    said = "latency unsteady: IQR of its blocks 40 % of the median"
    assert found.noise("form", compressed="c") == f"best_original {said}"
    assert found.noise("form", original="o", compressed="c") == f"original {said}"
