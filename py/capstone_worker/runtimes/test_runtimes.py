"""Every engine against eager torch: the same logits, for any number of images, and the network left alone."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import fx, nn

from ..errors import MachineError
from ..graph.trace import trace
from ..models import Int8Linear
from ..models.build import build
from .registry import RUNTIMES, available, find_runtime
from .source import Source
from .torch_frozen import optimized

THREADS = 2


def resnet(stem: str) -> fx.GraphModule:
    return trace(build("resnet18", num_classes=10, stem=stem, image_size=32, seed=0))  # type: ignore[arg-type]


def vit() -> fx.GraphModule:
    network = build("vit_b_16", num_classes=10, stem="imagenet", image_size=32, seed=0)
    torch.manual_seed(0)
    nn.init.normal_(network.heads.head.weight, std=0.05)  # zeros otherwise
    return trace(network)


def with_int8() -> fx.GraphModule:
    torch.manual_seed(0)
    layer = Int8Linear(3 * 8 * 8, 10)
    layer.weight = torch.randint(-127, 128, layer.weight.shape).to(torch.int8)
    layer.scale = torch.rand(10) / 1000 + 0.001
    return trace(nn.Sequential(nn.Flatten(), layer))


NETWORKS = {
    "resnet18": (lambda: resnet("imagenet"), 32),
    "resnet18 with the stem cifar": (lambda: resnet("cifar"), 32),
    "vit_b_16": (vit, 32),
    "int8": (with_int8, 8),
}


@pytest.fixture(scope="module", params=NETWORKS)
def source(request: pytest.FixtureRequest) -> Source:
    make, image_size = NETWORKS[request.param]
    return Source(make(), image_size)


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_logits_of_eager(source: Source, name: str) -> None:
    """In float32 up to the order of summation; int8 activations and bfloat16 within their own precision."""
    before = {key: tensor.clone() for key, tensor in source.network.state_dict().items()}
    was_training = source.network.training
    runtime = find_runtime(name)
    eager = RUNTIMES["torch"].prepare(source, threads=THREADS)
    for dtype in runtime.dtypes():
        prepared = runtime.prepare(source, threads=THREADS, dtype=dtype)
        if prepared.dtype != "int8":
            assert prepared.dtype == dtype
        for images in (1, 5, 2):
            batch = torch.randn(images, 3, source.image_size, source.image_size)
            expected, found = eager.forward(batch), prepared.forward(batch)
            assert found.dtype == torch.float32
            loose = "int8" in (prepared.dtype, eager.dtype) or dtype == "bfloat16"
            tolerance = (0.03 if loose else 1e-4) * expected.abs().max().item()
            torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)
    assert source.network.training == was_training
    assert all(torch.equal(tensor, before[key]) for key, tensor in source.network.state_dict().items())


def test_what_a_call_returned_stays() -> None:
    """No engine writes the next result over the last."""
    source = Source(resnet("imagenet"), 32)
    for runtime in available():
        forward = runtime.prepare(source, threads=THREADS).forward
        first = forward(torch.zeros(1, 3, 32, 32))
        kept = first.clone()
        forward(torch.ones(1, 3, 32, 32))
        assert torch.equal(first, kept), runtime.name


@pytest.mark.parametrize("name", RUNTIMES)
def test_bfloat16_is_its_own_and_said_so(name: str) -> None:
    """Where the engine executes float32 weights in bfloat16, the logits are not those of float32."""
    runtime, source = RUNTIMES[name], Source(resnet("imagenet"), 32)
    batch = torch.randn(4, 3, 32, 32)
    found = {
        dtype: runtime.prepare(source, threads=THREADS, dtype=dtype).forward(batch)
        for dtype in runtime.dtypes()
    }
    assert "float32" in found
    assert all(
        torch.equal(logits, found["float32"]) == (dtype == "float32") for dtype, logits in found.items()
    )
    assert name == "openvino" or list(found) == ["float32"]


@pytest.mark.parametrize("name", RUNTIMES)
def test_its_threads_rest_when_a_call_is_over(name: str) -> None:
    """A pool that went on spinning would take a CPU from the engine that is timed next."""
    forward = RUNTIMES[name].prepare(Source(resnet("cifar"), 32), threads=THREADS).forward
    batch = torch.randn(16, 3, 32, 32)
    for _ in range(3):
        forward(batch)
    time.sleep(0.1)  # libgomp's own go on for some ms, which wait_until_idle waits for
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    time.sleep(0.2)
    after, ended = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    assert after.ru_utime - before.ru_utime < 0.1 * (ended - started)


def test_dtype_and_lowering() -> None:
    source = Source(with_int8(), 8)
    assert {
        name: runtime.prepare(source, threads=1, dtype="float32").dtype for name, runtime in RUNTIMES.items()
    } == {
        "torch": "int8",
        "torch_frozen": "int8",
        "onnxruntime": "float32",
        "openvino": "float32",
    }


def test_a_runtime_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "openvino" else object())
    monkeypatch.setattr(sys, "executable", "/opt/python")
    assert [runtime.name for runtime in available()] == ["torch", "torch_frozen", "onnxruntime"]
    with pytest.raises(MachineError) as refused:
        find_runtime("openvino")
    assert (refused.value.code, refused.value.message, refused.value.hint) == (
        "runtime_missing",
        "runtime openvino: /opt/python lacks openvino",
        "Install them there: /opt/python -m pip install openvino",
    )


def test_frozen_is_optimized() -> None:
    """Without it a frozen graph is hardly faster than eager: batch norm folded, layouts of oneDNN."""
    graph = str(optimized(Source(resnet("imagenet"), 32)).graph)
    assert "batch_norm" not in graph
    assert "mkldnn" in graph


def test_nothing_is_reported_to_the_maker_of_onnx_runtime(tmp_path: Path) -> None:
    """It would first give this machine a number, in a file of its cache folder."""
    silent = {"CI", "ORT_DISABLE_TELEMETRY"}  # either makes it so
    environment = {name: value for name, value in os.environ.items() if name not in silent}
    program = "import capstone_worker, onnxruntime, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
    assert list(tmp_path.iterdir()) == []
