from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from capstone_worker.data.cache import Dataset
from capstone_worker.errors import Stopped, UserError
from capstone_worker.models.vit import VisionTransformer
from capstone_worker.report import Event, ShouldStop, never_stop
from capstone_worker.training.config import TrainConfig
from capstone_worker.training.loop import TrainResult, train
from capstone_worker.training.schedule import learning_rate

NewNetwork = Callable[[], nn.Module]


def stop_at(call: int) -> ShouldStop:
    calls = count(1)
    return lambda: next(calls) == call


def run(
    network: nn.Module,
    data: Dataset,
    config: TrainConfig,
    partial: Path | None = None,
    should_stop: ShouldStop = never_stop,
    report: Callable[[Event], None] = lambda event: None,
) -> TrainResult:
    return train(
        network,
        data,
        config,
        seed=0,
        partial=partial,
        report=report,
        should_stop=should_stop,
    )


def assert_same_bits(network: nn.Module, other: nn.Module) -> None:
    torch.testing.assert_close(network.state_dict(), other.state_dict(), rtol=0, atol=0)


def test_learns(new_network: NewNetwork, fashion: Dataset, config: TrainConfig) -> None:
    network = new_network()
    result = run(network, fashion, config)
    assert result.acc > 45  # of ten classes
    assert (result.epochs, result.deterministic) == (3, True)
    assert result.images_per_s > 0
    assert not network.training
    assert all(parameter.is_contiguous() for parameter in network.parameters())


def test_bf16_rounds_but_learns_the_same(new_network: NewNetwork, tiny: Dataset, config: TrainConfig) -> None:
    network = new_network()
    expected = run(new_network(), tiny, config).loss
    found = run(network, tiny, replace(config, precision="bf16")).loss
    assert found != expected
    assert found == pytest.approx(expected, rel=0.1)
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("call", [2, 4, 5, 8, 17])
def test_stopped_and_resumed_is_bit_identical(
    new_network: NewNetwork,
    tiny: Dataset,
    config: TrainConfig,
    tmp_path: Path,
    optimizer: Literal["sgd", "adamw"],
    call: int,
) -> None:
    """An epoch asks 4 times, its evaluation twice: in an epoch, at its end, in an evaluation, in the last."""
    config = replace(config, optimizer=optimizer, lr=0.01)
    undisturbed, resumed = new_network(), new_network()
    expected = run(undisturbed, tiny, config)
    with pytest.raises(Stopped):
        run(new_network(), tiny, config, tmp_path, stop_at(call))
    result = run(resumed, tiny, config, tmp_path)
    assert_same_bits(resumed, undisturbed)
    assert (result.acc, result.loss) == (expected.acc, expected.loss)


@pytest.mark.parametrize("call", [2, 5, 17])
def test_an_average_goes_on_bit_identical(
    new_network: NewNetwork, tiny: Dataset, config: TrainConfig, tmp_path: Path, call: int
) -> None:
    config = replace(config, ema_decay=0.9, cutout=4, augment="crop_altflip")
    undisturbed, resumed = new_network(), new_network()
    run(undisturbed, tiny, config)
    with pytest.raises(Stopped):
        run(new_network(), tiny, config, tmp_path, stop_at(call))
    run(resumed, tiny, config, tmp_path)
    assert_same_bits(resumed, undisturbed)


def test_the_average_is_what_is_evaluated_and_kept(
    new_network: NewNetwork, tiny: Dataset, config: TrainConfig
) -> None:
    """One that forgets at once is the network; one that never forgets, the network after its first step."""
    steps = replace(config, epochs=1, schedule="constant", warmup_epochs=0, augment="none")
    plain, averaged = new_network(), new_network()
    run(plain, tiny, steps)
    evaluated = run(averaged, tiny, replace(steps, ema_decay=1e-9))
    torch.testing.assert_close(averaged.state_dict(), plain.state_dict(), rtol=1e-6, atol=1e-6)
    slow = new_network()
    kept = run(slow, tiny, replace(steps, ema_decay=1 - 1e-9))
    first = new_network()
    with pytest.raises(Stopped):
        run(first, tiny, steps, should_stop=stop_at(1))
    counters = {name: tensor for name, tensor in plain.state_dict().items() if not tensor.is_floating_point()}
    assert counters  # are those of all steps
    torch.testing.assert_close(slow.state_dict(), first.state_dict() | counters, rtol=1e-5, atol=1e-5)
    assert kept.loss != evaluated.loss
    assert not slow.training


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_vit_goes_on_bit_identical(
    tiny: Dataset, config: TrainConfig, tmp_path: Path, precision: Literal["fp32", "bf16"]
) -> None:
    """Attention and its softmax have deterministic algorithms, in both precisions."""

    def new_network() -> nn.Module:
        torch.manual_seed(0)
        return VisionTransformer(
            image_size=32, patch_size=16, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=10
        )

    config = replace(config, optimizer="adamw", lr=1e-3, epochs=2, precision=precision, weight_decay=0.05)
    undisturbed, resumed = new_network(), new_network()
    assert run(undisturbed, tiny, config).deterministic
    with pytest.raises(Stopped):
        run(new_network(), tiny, config, tmp_path, stop_at(6))
    run(resumed, tiny, config, tmp_path)
    assert_same_bits(resumed, undisturbed)


def test_torn_state_falls_back_to_the_one_before(
    new_network: NewNetwork, tiny: Dataset, config: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        run(new_network(), tiny, config, tmp_path, stop_at(8))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001-00000000.pt", "000001-00000002.pt"]
    newest = tmp_path / "000001-00000002.pt"
    newest.write_bytes(newest.read_bytes()[:-100])
    events: list[Event] = []
    undisturbed, resumed = new_network(), new_network()
    run(resumed, tiny, config, tmp_path, report=events.append)
    run(undisturbed, tiny, config)
    assert_same_bits(resumed, undisturbed)
    (warning,) = [event for event in events if event["type"] == "log"]
    assert warning["level"] == "warning"
    assert warning["message"].startswith(f"Training state unusable, using the one before: {newest}: ")


def test_the_state_of_another_network_is_not_gone_on_from(
    new_network: NewNetwork, tiny: Dataset, config: TrainConfig, tmp_path: Path
) -> None:
    """As where a step before a training came out otherwise than when it was interrupted."""
    other = new_network()
    other[-1] = nn.Linear(32, 12)
    with pytest.raises(Stopped):
        run(other, tiny, config, tmp_path, stop_at(8))
    events: list[Event] = []
    undisturbed, begun_anew = new_network(), new_network()
    run(begun_anew, tiny, config, tmp_path, report=events.append)
    run(undisturbed, tiny, config)
    assert_same_bits(begun_anew, undisturbed)
    warnings = [event["message"] for event in events if event["type"] == "log"]
    assert len(warnings) == 2
    assert all("is of another training" in warning for warning in warnings)


def test_saves_each_minute(
    new_network: NewNetwork, tiny: Dataset, config: TrainConfig, tmp_path: Path
) -> None:
    seconds = count(step=11)  # three readings a step: 33 s
    with pytest.raises(KeyboardInterrupt):
        train(
            new_network(),
            tiny,
            config,
            seed=0,
            partial=tmp_path,
            report=lambda event: interrupt_at_step(event, 4),
            should_stop=never_stop,
            clock=lambda: float(next(seconds)),
        )
    assert [path.name for path in tmp_path.iterdir()] == ["000000-00000002.pt"]


def interrupt_at_step(event: Event, step: int) -> None:
    if event["type"] == "progress" and event["done"] > 27 * step:
        raise KeyboardInterrupt


def test_events(new_network: NewNetwork, tiny: Dataset, config: TrainConfig) -> None:
    events: list[Event] = []
    result = run(new_network(), tiny, replace(config, epochs=2, eval_every=2), report=events.append)
    kinds = [event["type"] if event["type"] != "phase" else event["phase"] for event in events]
    epoch = ["train", *["progress"] * 4, "metric"]
    assert kinds == [*epoch, *epoch, "evaluate", "progress", "progress", "metric"]
    steps = [event for event in events if event["type"] == "progress" and event["phase"] == "train"]
    assert [step["done"] for step in steps] == [28, 56, 83, 110, 138, 166, 193, 220]
    assert steps[-1].items() >= {"total": 220, "unit": "images", "eta_s": 0.0}.items()
    metrics = [event for event in events if event["type"] == "metric"]
    assert [(metric["split"], metric["epoch"]) for metric in metrics] == [
        ("train", 1),
        ("train", 2),
        ("test", 2),
    ]
    assert metrics[0]["values"].keys() == {"loss", "acc", "lr"}
    assert metrics[2]["values"] == {"loss": result.loss, "acc": result.acc}


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_the_rate_that_is_told_is_that_of_the_last_step(
    new_network: NewNetwork,
    tiny: Dataset,
    config: TrainConfig,
    schedule: Literal["one_cycle", "cosine", "constant"],
) -> None:
    """Also where it has only just stopped rising."""
    rising = replace(config, epochs=2, warmup_epochs=2, schedule=schedule)
    events: list[Event] = []
    run(new_network(), tiny, rising, report=events.append)
    told = [event["values"]["lr"] for event in events if event.get("split") == "train"]
    assert told == [learning_rate(rising, step, 4) for step in (3, 7)]


def test_a_part_of_the_images(new_network: NewNetwork, tiny: Dataset, config: TrainConfig) -> None:
    events: list[Event] = []
    run(new_network(), tiny, replace(config, max_train_samples=33), report=events.append)
    assert events[2]["total"] == 3 * 33


def test_leaves_the_global_state_of_torch_alone(
    new_network: NewNetwork, tiny: Dataset, config: TrainConfig
) -> None:
    network = new_network()
    before = torch.get_rng_state()
    run(network, tiny, replace(config, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


def test_diverging_says_what_to_change(new_network: NewNetwork, tiny: Dataset, config: TrainConfig) -> None:
    with pytest.raises(UserError) as call:
        run(new_network(), tiny, replace(config, lr=1e30, schedule="constant"))
    assert (call.value.code, call.value.message, call.value.hint) == (
        "training_diverged",
        "the loss became nan in epoch 1, by step 2, at a learning rate of 1e+30",
        "Lower train.lr (now 1e+30) or raise train.warmup_epochs",
    )


class Rows(nn.Module):
    """As many write it: the layout that is trained in does not allow this view."""

    def __init__(self, *, views: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.views = views
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.small = nn.Conv2d(4, 4, 3, padding=1)  # on a small map, which is computed otherwise
        self.fc = nn.Linear(4 * 4, 10)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.small(F.max_pool2d(self.conv(images), 16))
        logits: Tensor = self.fc(maps.view(maps.size(0), -1) if self.views else maps.flatten(1))
        return logits


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_view_of_rows(tiny: Dataset, config: TrainConfig, ema_decay: float) -> None:
    network, flat = Rows(views=True), Rows(views=False)
    config = replace(config, ema_decay=ema_decay)
    assert run(network, tiny, config).loss == run(flat, tiny, config).loss
    assert_same_bits(network, flat)


@pytest.mark.parametrize(("samples", "batch_size"), [(1, 8), (5, 2), (3, 1)])
def test_a_batch_of_one_image_and_norm_over_one_pixel(
    tiny: Dataset, config: TrainConfig, samples: int, batch_size: int
) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 32), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 10)
    )  # (N, 4, 1, 1)
    few = replace(tiny, train_images=tiny.train_images[:samples], train_labels=tiny.train_labels[:samples])
    events: list[Event] = []
    with pytest.raises(UserError) as refused:
        run(network, few, replace(config, batch_size=batch_size), report=events.append)
    assert (refused.value.code, events) == ("batch_of_one", [])
    assert f"{samples} images in batches of {batch_size}" in refused.value.message


def test_a_last_step_that_diverges(new_network: NewNetwork, tiny: Dataset, config: TrainConfig) -> None:
    """Its loss was that of the weights before it: only the test images see what it did."""
    one_step = replace(config, epochs=1, batch_size=len(tiny.train_labels), lr=1e38)
    with pytest.raises(UserError, match=r"the loss of the test images is (nan|inf) after epoch 1") as refused:
        run(new_network(), tiny, one_step)
    assert refused.value.code == "training_diverged"


class Unpooling(nn.Module):
    """Has no deterministic algorithm in torch."""

    def forward(self, images: Tensor) -> Tensor:
        pooled, indices = nn.functional.max_pool2d(images, 2, return_indices=True)
        return nn.functional.max_unpool2d(pooled, indices, (2, 2))


def test_operations_without_a_deterministic_algorithm_are_told(
    new_network: NewNetwork, tiny: Dataset, config: TrainConfig
) -> None:
    network = nn.Sequential(Unpooling(), new_network())
    assert not run(network, tiny, replace(config, epochs=1)).deterministic
