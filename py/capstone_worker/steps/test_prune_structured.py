"""The step `prune_structured` with the target `latency`; for the other targets see test_finetune."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock, Timeout
from torch import Tensor, fx, nn

from .. import recipes
from ..errors import Stopped, UserError
from ..graph.trace import trace
from ..measure.latency import Timed
from ..measure.macs import macs
from ..models.build import build
from ..models.file import load_model, save_model
from ..report import Event
from . import prune_structured
from .conftest import FINETUNE, at, with_images
from .latency_goal import AFTER, BEFORE, LatencyGoal
from .prune_structured import PruneStructured
from .registry import apply_steps

STEP = {
    "step": "prune_structured",
    "target": "latency",
    "ratio": 0.3,
    "importance": "l2",
    "scope": "layer",
    "round_to": 8,
}
AT_32 = at(32)


def ignore(event: Event) -> None:
    pass


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def measure_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One of one's own: other measurements on this machine may take long."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "capstone" / "measure.lock"


@pytest.fixture(scope="module")
def resnet20() -> fx.GraphModule:
    return trace(build("resnet20", num_classes=10, stem="cifar", image_size=32, seed=0).eval())


def test_it_is_timed_until_it_is_fast_enough(
    resnet20: fx.GraphModule, measure_lock: Path, tmp_path: Path
) -> None:
    """By the real clock. With 8 channels a layer it takes half the time: 30 % less is not near the edge."""
    held = []

    def look() -> bool:
        try:
            with FileLock(measure_lock, timeout=0):
                held.append(False)
        except Timeout:
            held.append(True)
        return False

    before = [tensor.clone() for tensor in resnet20.state_dict().values()]
    network, (record,) = apply_steps(resnet20, [STEP], replace(AT_32, should_stop=look), ignore)
    assert 1 - 1 / record["speedup"] >= 0.3
    assert record["speedup_low"] <= record["speedup"] <= record["speedup_high"]
    assert record["latency_ms_after"] < record["latency_ms_before"]
    assert record["macs_after"] == macs(network, 32) < 0.9 * record["macs_before"]
    assert record["params_after"] == sum(parameter.numel() for parameter in network.parameters())
    assert (record["latency_batch_size"], record["threads"]) == (1, 1)
    assert record["cpu"]
    assert record["deterministic"] is False
    assert STEP.items() <= record.items()
    assert sum(held) >= 16, "timed without the lock that holds off other measurements"
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert all(torch.equal(a, b) for a, b in zip(before, resnet20.state_dict().values(), strict=True))
    about = {"model": {"arch": "resnet20", "num_classes": 10, "image_size": 32}}
    save_model(tmp_path / "m.pt", network, about | {"recipe": {"steps": [record]}})
    assert load_model(tmp_path / "m.pt").record["recipe"]["steps"] == [record]


def timed(speedup: float) -> Timed:
    return Timed({BEFORE: np.full((8, 1), 1e6 * speedup), AFTER: np.full((8, 1), 1e6)}, [])


def wide(channels: int) -> fx.GraphModule:
    """Of as many multiply-accumulates as channels, times 13."""
    return trace(nn.Sequential(nn.Conv2d(3, channels, 1), nn.Flatten(), nn.Linear(channels, 10)).eval())


def test_a_measurement_waits_until_it_is_worth_its_time() -> None:
    widths: list[int] = []

    def time(network: fx.GraphModule) -> Timed:
        channels = network.get_parameter("0.weight").shape[0]
        widths.append(channels)
        return timed({94: 1.25, 89: 1.1, 86: 1.5}[channels])

    goal = LatencyGoal(0.5, 1, 1, macs(wide(100), 1), time)
    asked = [goal.is_reached(wide(channels), is_last=False) for channels in (99, 96, 94, 93, 90, 89, 86)]
    assert (widths, any(asked)) == ([94, 89], False)
    assert goal.removed == pytest.approx(0.2), "the best that was seen"
    assert not goal.is_reached(wide(89), is_last=True), "nothing has gone since"
    assert widths == [94, 89]
    assert not goal.is_reached(wide(86), is_last=True), "the last is timed for any change"
    assert widths == [94, 89, 86]
    assert goal.removed == pytest.approx(1 / 3)


def always(speedup: float) -> Callable[..., Callable[[fx.GraphModule], Timed]]:
    return lambda *_: lambda network: timed(speedup)


def test_the_first_that_is_fast_enough_is_taken(
    resnet20: fx.GraphModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_structured, "time_against", always(2.0))
    events: list[Event] = []
    _, (record,) = apply_steps(
        resnet20, [{**STEP, "ratio": 0.5, "latency_batch_size": 64}], AT_32, events.append
    )
    rounds = [event["done"] for event in events if event["type"] == "progress"]
    assert rounds == list(range(1, len(rounds) + 1))
    assert len(rounds) < prune_structured.ROUNDS
    assert record["macs_after"] < 0.95 * record["macs_before"]
    measured = {name: record[name] for name in ("latency_ms_before", "latency_ms_after", "speedup", "noise")}
    assert measured == {"latency_ms_before": 2.0, "latency_ms_after": 1.0, "speedup": 2.0, "noise": None}
    assert record["latency_batch_size"] == 64


def test_a_latency_out_of_reach(resnet20: fx.GraphModule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune_structured, "time_against", always(1.25))
    with pytest.raises(UserError) as caught:
        apply_steps(resnet20, [{**STEP, "latency_batch_size": 4}], AT_32, ignore)
    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "target_out_of_reach",
        "prune_structured: 20% of the latency at batch size 4 can be removed, 30% are wanted",
        "Lower ratio, or prune_depth before it",
    )


def test_what_an_interrupted_finetune_goes_on_from_is_kept(
    resnet20: fx.GraphModule, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Measured again the latency is another, and so would be the network that is fine-tuned."""
    steps = [{**STEP, "ratio": 0.5}, {"step": "finetune", **FINETUNE}]
    context = replace(with_images(), original=resnet20, partial=tmp_path)
    monkeypatch.setattr(prune_structured, "time_against", always(2.0))
    before: list[Event] = []
    has_trained = replace(context, should_stop=lambda: any(event["type"] == "metric" for event in before))
    with pytest.raises(Stopped):
        apply_steps(resnet20, steps, has_trained, before.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-prune_structured", "1-finetune"]
    monkeypatch.setattr(prune_structured, "time_against", always(1.25))  # now it would be out of reach
    events: list[Event] = []
    network, (pruned, tuned) = apply_steps(resnet20, steps, context, events.append)
    assert (pruned["speedup"], pruned["deterministic"], tuned["deterministic"]) == (2.0, False, True)
    assert not [event for event in events if event["type"] == "log"], "the state was that of the same network"
    assert pruned["params_after"] == sum(parameter.numel() for parameter in network.parameters())


def test_what_the_other_targets_leave_in_a_file_is_what_it_was(resnet20: fx.GraphModule) -> None:
    _, (record,) = apply_steps(resnet20, [{**STEP, "target": "macs"}], AT_32, ignore)
    assert set(record) == {*STEP, "macs_before", "macs_after", "params_before", "params_after"}


@pytest.mark.parametrize(
    ("target", "batch_size", "message", "hint"),
    [
        (
            "macs",
            8,
            "prune_structured, latency_batch_size: expected none beside target macs, found 8",
            "Leave it out, or set target to latency",
        ),
        (
            "latency",
            0,
            "prune_structured, latency_batch_size: expected a number from 1, found 0",
            "Leave it out for the default, 1",
        ),
    ],
)
def test_a_batch_size_is_refused(target: Any, batch_size: int, message: str, hint: str) -> None:  # noqa: ANN401
    with pytest.raises(UserError) as caught:
        PruneStructured(target, 0.5, "l2", "global", 8, batch_size)
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("step_invalid", message, hint)


def test_a_recipe_need_not_say_a_batch_size(tmp_path: Path) -> None:
    """It has no default, which would change the keys of all other targets."""
    prune = {"step": "prune_structured", "target": "latency", "ratio": 0.5}
    levels = {str(level): [prune] for level in range(1, 6)}
    file = tmp_path / "mine.json"
    file.write_bytes(json.dumps({"version": 1, "name": "mine", "levels": levels}).encode())
    (step,) = recipes.level_steps(recipes.read(str(file)), "resnet", 1)
    assert step == {**prune, "importance": "taylor", "scope": "global", "round_to": 8}


class Scaled(nn.Module):
    """With a parameter that belongs to no layer of torch's, as in ConvNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 4, stride=4)
        self.wide = nn.Conv2d(32, 64, 1)
        self.narrow = nn.Conv2d(64, 32, 1)
        self.scale = nn.Parameter(torch.rand(32, 1, 1))
        self.fc = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        maps = maps + self.scale * self.narrow(torch.relu(self.wide(maps)))
        logits: Tensor = self.fc(maps.mean([2, 3]))
        return logits


def test_a_parameter_of_no_layer_is_cut_along(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = trace(Scaled().eval())
    step = {**STEP, "target": "params", "ratio": 0.5}
    pruned, (record,) = apply_steps(network, [step], AT_32, ignore)
    assert record["params_after"] <= 0.5 * record["params_before"]
    stem, scale = pruned.get_submodule("stem"), pruned.get_parameter("scale")
    assert isinstance(stem, nn.Conv2d)
    assert scale.shape == (stem.out_channels, 1, 1)
    assert stem.out_channels < 32
    save_model(tmp_path / "m.pt", pruned, {"model": {"arch": "custom", "num_classes": 10, "image_size": 32}})
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(load_model(tmp_path / "m.pt").network(images), pruned(images))
