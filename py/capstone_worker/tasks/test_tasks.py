"""The real thing, small: one training, its artifacts, their rows; and what is refused, the messages whole."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor

from capstone_worker import recipes, schema, tasks
from capstone_worker.artifact.read import read_model, read_record
from capstone_worker.artifact.write import write_model
from capstone_worker.data.source import digest, resolve
from capstone_worker.errors import MachineError, Stopped, UserError
from capstone_worker.keys import installed_versions, task_key
from capstone_worker.measure.latency import Timed
from capstone_worker.report import Event, never_stop
from capstone_worker.runtimes.registry import RUNTIMES
from capstone_worker.runtimes.runtime import Prepared
from capstone_worker.tasks.original import Original
from capstone_worker.tasks.peak_memory import Load, peak_memory_mb

pytestmark = pytest.mark.usefixtures("impatient")

Task = dict[str, Any]
MODEL = {"name": "resnet18", "arch": "resnet18", "stem": "imagenet", "image_size": 32}
DATASET = {"name": "small", "source": "folder"}
PLAN_AGAIN = "Run the same command again: it plans anew with what is there now"


def with_key(task: Task) -> Task:
    return {**task, "key": task_key(task, installed_versions())}


def discard(event: Event) -> None:
    pass


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def training(folder: Path, small_dataset: Path) -> Task:
    (folder / "small").symlink_to(small_dataset)
    data = resolve("small", data_root=folder)
    few = {"precision": "fp32", "epochs": 1, "max_train_samples": 64}
    settings = schema.validate("job", {"version": 1, "kind": "train"})["train"]
    return with_key(
        {
            "id": "train",
            "kind": "train",
            "threads": torch.get_num_threads(),
            "spec": {"model": MODEL, "dataset": DATASET, "seed": 0, "train": {**settings, **few}},
            "inputs": {"dataset": digest(data)},
            "paths": {
                "dataset": str(data.root),
                "output": str(folder / "original.pth"),
                "partial": str(folder / "partial"),
            },
        }
    )


def compression(training: Task, level: int) -> Task:
    steps = recipes.level_steps(recipes.read("classic"), "resnet", level)
    checkpoint = training["paths"]["output"]
    return with_key(
        {
            "id": f"compress-l{level}",
            "kind": "compress",
            "threads": training["threads"],
            "spec": {
                "model": MODEL,
                "dataset": DATASET["name"],
                "seed": 0,
                "recipe": {"name": "classic", "level": level, "steps": steps},
            },
            "inputs": {"checkpoint": training["key"]},
            "paths": {
                "checkpoint": checkpoint,
                "output": str(Path(checkpoint).with_name(f"artifact_l{level}.pt")),
            },
        }
    )


def measurement(training: Task, compressing: Task) -> Task:
    level = compressing["spec"]["recipe"]["level"]
    settings = schema.validate("job", {"version": 1, "kind": "benchmark"})["benchmark"]
    return with_key(
        {
            "id": f"benchmark-l{level}",
            "kind": "benchmark",
            "threads": training["threads"],
            "spec": {
                "model": MODEL,
                "dataset": DATASET,
                "seed": 0,
                "recipe": {"name": "classic", "level": level},
                "benchmark": {**settings, "max_eval_samples": 50, "batch_sizes": [1]},
            },
            "inputs": {
                "original": training["key"],
                "artifact": compressing["key"],
                "dataset": training["inputs"]["dataset"],
            },
            "cpu": {"model": "a CPU", "isa": []},
            "run": "a-run",
            "paths": {
                "original": training["paths"]["output"],
                "artifact": compressing["paths"]["output"],
                "dataset": training["paths"]["dataset"],
            },
        }
    )


def measured_whole(training: Task, compressing: Task) -> Task:
    """Peak memory too, of which each takes a fresh process."""
    task = measurement(training, compressing)
    task["spec"]["benchmark"]["peak_memory"] = True
    return with_key(task)


@pytest.fixture(scope="module")
def trained(training: Task) -> tuple[dict[str, Any], list[Event]]:
    events: list[Event] = []
    return tasks.run(training, events.append, never_stop), events


@pytest.fixture(scope="module")
def compressed(training: Task, trained: object) -> dict[int, tuple[Task, dict[str, Any], list[Event]]]:
    done = {}
    for level in (1, 3):
        task, events = compression(training, level), list[Event]()
        done[level] = task, tasks.run(task, events.append, never_stop), events
    return done


def refusal(task: Task) -> tuple[str, str, str]:
    with pytest.raises(UserError) as refused:
        tasks.run(task, discard, never_stop)
    return refused.value.code, refused.value.message, refused.value.hint


def test_train(training: Task, trained: tuple[dict[str, Any], list[Event]]) -> None:
    values, events = trained
    output = Path(training["paths"]["output"])
    file = read_model(output)
    record = schema.validate("record", file.record)
    assert values.keys() == {"acc", "loss", "epochs", "images_per_s"}
    assert record["kind"] == "checkpoint"
    assert record["key"] == training["key"]
    assert record["metrics"] == {"acc": values["acc"], "loss": values["loss"]}
    assert record["train"] == training["spec"]["train"]
    assert len(record["classes"]) == record["model"]["num_classes"] == 10
    assert events[0] == {"type": "phase", "phase": "load"}
    assert events[-1] == {"type": "artifact", "path": str(output), "bytes": file.bytes, "sha256": file.sha256}
    assert not Path(training["paths"]["partial"]).exists()


def test_train_from_published_weights(
    training: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a folder that stands for the publisher; with the images as those weights know them."""
    task = copy.deepcopy(training)
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "weights.pth")
    content = (tmp_path / "weights.pth").read_bytes()
    file = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (tmp_path / file).write_bytes(content)
    monkeypatch.setenv("CAPSTONE_WEIGHTS_MIRROR", tmp_path.as_uri())
    task["spec"]["weights"] = file
    task["spec"]["train"]["max_train_samples"] = 10
    task["spec"]["train"]["lr"] = 1e-9
    task["paths"] |= {"output": str(tmp_path / "out.pth"), "partial": str(tmp_path / "partial")}
    task = with_key(task)
    assert task["key"] != training["key"]
    tasks.run(task, discard, never_stop)
    made = read_model(tmp_path / "out.pth")
    record = schema.validate("record", made.record)
    assert record["weights"] == file
    assert record["normalisation"] == {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    published = read_model(tmp_path / file).tensors
    torch.testing.assert_close(made.tensors["layer4.1.conv2.weight"], published["layer4.1.conv2.weight"])
    assert made.tensors["fc.weight"].shape == (10, 512)


def test_published_weights_that_cannot_be_had(
    training: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the data set is read."""
    monkeypatch.setenv("CAPSTONE_WEIGHTS_MIRROR", tmp_path.as_uri())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    task = copy.deepcopy(training)
    task["spec"]["weights"] = "resnet18-f37072fd.pth"
    events: list[Event] = []
    with pytest.raises(MachineError) as refused:
        tasks.run(task, events.append, never_stop)
    folder = tmp_path / "cache" / "capstone" / "weights"
    assert (refused.value.code, refused.value.message, refused.value.hint) == (
        "weights_missing",
        f"weights of resnet18: {tmp_path.as_uri()}/resnet18-f37072fd.pth cannot be downloaded: "
        "no such file or directory",
        f"Run the same command again, or put resnet18-f37072fd.pth into {folder}, or set "
        "CAPSTONE_WEIGHTS_MIRROR to the address of a folder that holds resnet18-f37072fd.pth",
    )
    assert [event["phase"] for event in events if event["type"] == "phase"] == ["load", "download"]
    assert [path.name for path in (tmp_path / "cache" / "capstone").iterdir()] == ["weights"]


@pytest.mark.parametrize(
    ("level", "sparsity", "phases"),
    [(1, 0.35, ["load", "prune_magnitude"]), (3, 0.6, ["load", "prune_magnitude", "quantize_dynamic"])],
)
def test_compress(
    compressed: dict[int, tuple[Task, dict[str, Any], list[Event]]],
    training: Task,
    level: int,
    sparsity: float,
    phases: list[str],
) -> None:
    task, values, events = compressed[level]
    file = read_model(Path(task["paths"]["output"]))
    record = schema.validate("record", file.record)
    original = read_model(Path(training["paths"]["output"]))
    assert values["file_size"] == file.bytes
    assert values["sparsity"] == pytest.approx(sparsity, abs=1e-3)
    assert record["kind"] == "artifact"
    assert record["key"] == task["key"]
    assert record["parents"] == {"checkpoint": {"key": training["key"], "sha256": original.sha256}}
    assert [step["step"] for step in record["recipe"]["steps"]] == phases[1:]
    assert [event["phase"] for event in events if event["type"] == "phase"] == phases


def test_benchmark(compressed: dict[int, tuple[Task, dict[str, Any], list[Event]]], training: Task) -> None:
    events: list[Event] = []
    task = measured_whole(training, compressed[3][0])
    (row,) = tasks.run(task, events.append, never_stop)["rows"]
    assert schema.validate("row", row) == row
    assert row.keys() == schema.load("row")["properties"].keys()
    assert (row["eval_samples"], row["run"], row["task_key"]) == (50, "a-run", task["key"])
    assert (row["original_dtype"], row["compressed_dtype"]) == ("float32", "int8")
    assert row["original_sha256"] == read_model(Path(task["paths"]["original"])).sha256
    assert row["compressed_nonzero"] == compressed[3][1]["nonzero"]
    assert row["acc_drop"] == row["original_acc"] - row["compressed_acc"]
    assert row["acc_drop_low"] <= row["acc_drop"] <= row["acc_drop_high"]
    assert row["eager_latency_ms"] == row["original_latency_ms"]
    for model in ("original", "compressed"):
        assert row[f"{model}_acc_low"] <= row[f"{model}_acc"] <= row[f"{model}_acc_high"]
        # torch alone takes 150 MB, ResNet-18's weights 45, and nothing here a GB
        assert 200 < row[f"{model}_peak_memory_mb"] < 1000
    name, dtype = row["best_original_runtime"].split()
    assert name in RUNTIMES
    assert dtype in ("float32", "bfloat16")
    assert row["speedup_vs_eager"] == row["speedup"], "the original is what runs in torch eager"
    assert 0 < row["speedup_vs_best_original"] <= 1.2 * row["speedup"], "trimmed means of noisy rounds"
    assert (row["deterministic"], row["baseline"]) == (True, False)
    # how many candidates are asked whether they lose accuracy, these few images decide
    phases = list(dict.fromkeys(event["phase"] for event in events if event["type"] == "phase"))
    assert phases == [
        *("load", "evaluate compressed", "evaluate original"),
        *("find best original", "evaluate best original", "measure", "peak memory"),
    ]


MEASURED = re.compile("latency|throughput|speedup|verdict|noise|memory|best_original|timestamp")
"""Columns that say something else each time."""


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not MEASURED.search(name)}


def test_levels_measured_together(
    compressed: dict[int, tuple[Task, dict[str, Any], list[Event]]],
    training: Task,
) -> None:
    """Beside one original, in one rotation: it has the same times in all rows."""
    several = [measured_whole(training, compressed[level][0]) for level in (1, 3)]
    events: list[list[Event]] = [[], []]
    found = tasks.run_together(several, [said.append for said in events], never_stop)
    rows = [values["rows"][0] for values in found]
    for task, row in zip(several, rows, strict=True):
        task["spec"]["benchmark"]["peak_memory"] = False
        (alone,) = tasks.run(task, discard, never_stop)["rows"]
        assert timeless(row) == timeless(alone)
        assert row["compressed_peak_memory_mb"] > 200
        assert row["speedup_low"] <= row["speedup"] <= row["speedup_high"]
        assert row["speedup_vs_eager"] == row["speedup"]
        assert row["eager_latency_ms"] == row["original_latency_ms"] == rows[0]["original_latency_ms"]
    phases = [[event["phase"] for event in said if event["type"] == "phase"] for said in events]
    assert phases[0][0] == phases[1][0] == "load"
    assert [said.count("evaluate compressed") for said in phases] == [1, 1]
    assert [said.count("measure") for said in phases] == [1, 1]


@pytest.mark.parametrize(("weight_bits", "warned"), [(8, {"x86"}), (7, set())])
def test_int8_for_kernels_that_add_in_32_bits(
    training: Task,
    trained: object,
    monkeypatch: pytest.MonkeyPatch,
    weight_bits: int,
    warned: set[str],
) -> None:
    step = {"step": "quantize_static", "backend": "x86_vnni", "calibration_samples": 16}
    settings = {"batch_size": 16, "weight_bits": weight_bits}
    task = compression(training, 1)
    recipe = {**task["spec"]["recipe"], "steps": [{**step, **settings}]}
    task["spec"] |= {"source": DATASET["source"], "recipe": recipe}
    task["inputs"]["dataset"] = training["inputs"]["dataset"]
    task["paths"] |= {
        "dataset": training["paths"]["dataset"],
        "output": str(Path(task["paths"]["output"]).with_name("static.pt")),
    }
    task = with_key(task)
    tasks.run(task, discard, never_stop)
    measured = measurement(training, task)
    measured["spec"]["benchmark"]["max_eval_samples"] = 10
    for here in ("x86", "x86_vnni", "qnnpack"):
        events: list[Event] = []
        monkeypatch.setattr("capstone_worker.tasks.benchmark.int8_backend", lambda here=here: here)
        tasks.run(with_key(measured), events.append, never_stop)
        said = [event["message"] for event in events if event["type"] == "log"]
        messages = [message for message in said if "static.pt was quantised for x86_vnni" in message]
        assert len(messages) == (here in warned)


def test_ratios_are_of_the_models_that_they_say(
    compressed: dict[int, tuple[Task, dict[str, Any], list[Event]]],
    training: Task,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By times that are known: of the original there, of its other forms, of two artifacts."""
    forms = {"torch float32": 6.0, "torch_frozen float32": 4.0, "openvino float32": 2.5}
    ms = {"original": 3.0, **forms, "artifact 0": 1.0, "artifact 1": 2.0}

    def known(calls: dict[str, Any], **_: object) -> Timed:
        return Timed({name: np.full((8, 1), 1e6 * ms[name]) for name in calls}, [])

    def contenders(self: Original, _: Tensor) -> dict[str, Prepared]:
        return {name: self.prepare(RUNTIMES[name.split()[0]], "float32") for name in forms}

    monkeypatch.setattr("capstone_worker.tasks.rotation.alternate", known)
    monkeypatch.setattr(Original, "contenders", contenders)
    monkeypatch.setattr(Original, "loses_nothing", lambda _, name: name != "openvino float32")
    several = [measurement(training, compressed[level][0]) for level in (1, 3)]
    for task in several:
        task["spec"]["benchmark"]["runtimes"] = ["onnxruntime"]
    found = tasks.run_together([with_key(task) for task in several], [discard, discard], never_stop)
    for values, latency in zip(found, (1.0, 2.0), strict=True):
        (row,) = values["rows"]
        assert (row["original_latency_ms"], row["eager_latency_ms"]) == (3, 6)
        assert row["compressed_latency_ms"] == latency
        assert row["speedup"] == pytest.approx(3 / latency)
        assert row["speedup_vs_eager"] == pytest.approx(6 / latency)
        # the original in ONNX Runtime is none of the forms here, and OpenVINO is said to lose accuracy
        assert row["best_original_runtime"] == "torch_frozen float32"
        assert row["best_original_latency_ms"] == 4
        assert row["speedup_vs_best_original"] == pytest.approx(4 / latency)


def dense_measurement(training: Task) -> Task:
    """Of the original, as a dense network of its own."""
    task = measurement(training, compression(training, 1))
    task["id"] = "benchmark-dense"
    task["spec"]["recipe"] = {"name": "dense", "level": 0}
    del task["inputs"]["artifact"]
    del task["paths"]["artifact"]
    return with_key(task)


def test_benchmark_of_a_dense_network(training: Task, trained: object) -> None:
    """It says of itself what an artifact would, and nothing that needs another to compare with."""
    task, events = dense_measurement(training), list[Event]()
    task["spec"]["benchmark"]["peak_memory"] = True
    task = with_key(task)
    (row,) = tasks.run(task, events.append, never_stop)["rows"]
    assert schema.validate("row", row) == row
    file = read_model(Path(task["paths"]["original"]))
    assert (row["recipe"], row["level"], row["baseline"], row["deterministic"]) == ("dense", 0, True, True)
    assert (row["original_sha256"], row["task_key"], row["run"]) == (file.sha256, task["key"], "a-run")
    assert (row["compressed_file_size"], row["compressed_dtype"]) == (file.bytes, "float32")
    assert row["compressed_params"] == sum(
        tensor.numel() for name, tensor in file.tensors.items() if name.endswith(("weight", "bias"))
    )
    assert row["compressed_acc_low"] <= row["compressed_acc"] <= row["compressed_acc_high"]
    assert row["eager_latency_ms"] == row["compressed_latency_ms"] > 0
    assert 0 < row["best_original_latency_ms"] <= 1.2 * row["eager_latency_ms"]
    assert 200 < row["compressed_peak_memory_mb"] < 1000
    columns = schema.load("row")["properties"]
    empty = {name for name in columns if row[name] is None} - {"noise"}
    comparisons = {name for name, column in columns.items() if column.get("x-comparison")}
    assert empty == comparisons | {"original_best_device", "original_best_device_latency_ms"}
    phases = list(dict.fromkeys(event["phase"] for event in events if event["type"] == "phase"))
    assert phases[0] == "load"
    assert phases[-2:] == ["measure", "peak memory"]


def test_a_dense_network_beside_its_own_artifact(
    compressed: dict[int, tuple[Task, dict[str, Any], list[Event]]], training: Task
) -> None:
    """Both rows say the same of it, whatever place it has in them."""
    (beside,) = tasks.run(measurement(training, compressed[1][0]), discard, never_stop)["rows"]
    (alone,) = tasks.run(dense_measurement(training), discard, never_stop)["rows"]
    for name in ("params", "nonzero", "sparsity", "macs", "acc", "acc_low", "acc_high", "file_size", "dtype"):
        assert alone[f"compressed_{name}"] == beside[f"original_{name}"], name
    assert alone["original_sha256"] == beside["original_sha256"]


def test_what_was_compressed_is_no_dense_network(
    compressed: dict[int, tuple[Task, dict[str, Any], list[Event]]], training: Task
) -> None:
    artifact = compressed[3][0]
    task = dense_measurement(training)
    task["inputs"]["original"] = artifact["key"]
    task["paths"]["original"] = artifact["paths"]["output"]
    assert refusal(with_key(task)) == (
        "not_dense",
        f"{artifact['paths']['output']}: expected a network that was never compressed, "
        "the file was made with classic level 3",
        'Leave out "baseline", or name the checkpoint that it was made from',
    )


def test_a_stopped_compression_writes_nothing(training: Task, trained: object, tmp_path: Path) -> None:
    task = compression(training, 1)
    task["paths"]["output"] = str(tmp_path / "artifact.pt")
    with pytest.raises(Stopped):
        tasks.run(task, discard, lambda: True)
    assert list(tmp_path.iterdir()) == []


def test_an_original_of_another_tool(training: Task, trained: object, tmp_path: Path) -> None:
    """Its artifact knows what can be known, and its row leaves empty what nobody knows."""
    ours = read_model(Path(training["paths"]["output"]))
    foreign = tmp_path / "foreign.pth"
    torch.save(ours.tensors, foreign)
    training = {**training, "key": read_model(foreign).sha256}
    training["paths"] = {**training["paths"], "output": str(foreign)}
    compressing = compression(training, 1)
    tasks.run(compressing, discard, never_stop)
    record = read_record(Path(compressing["paths"]["output"]))
    assert record is not None
    assert schema.validate("record", record) == record
    assert record["dataset"] == {"name": "small"}
    assert record["parents"] == {"checkpoint": {"key": None, "sha256": training["key"]}}
    task = measurement(training, compressing)
    (row,) = tasks.run(task, discard, never_stop)["rows"]
    assert row["deterministic"] is None
    assert row["original_sha256"] == training["key"]


def test_an_original_of_another_class_count(training: Task, trained: object, tmp_path: Path) -> None:
    """A foreign file does not say its data set, but cifar100 has a hundred classes."""
    foreign = tmp_path / "foreign.pth"
    torch.save(read_model(Path(training["paths"]["output"])).tensors, foreign)
    task = compression(training, 1)
    task["spec"]["dataset"] = "cifar100"
    task["inputs"]["checkpoint"] = read_model(foreign).sha256
    task["paths"] = {"checkpoint": str(foreign), "output": str(tmp_path / "artifact.pt")}
    assert refusal(task) == (
        "model_wrong_classes",
        f"{foreign}: expected 100 classes, as cifar100 has, the file has 10",
        "Name the data set that the model was trained on, or another file",
    )
    assert list(tmp_path.iterdir()) == [foreign]


def test_invalid_task(training: Task) -> None:
    task = copy.deepcopy(training)
    task["spec"]["train"]["epochs"] = 0
    assert refusal(task) == (
        "task_invalid",
        "task, spec.train.epochs: expected a number, at least 1, found 0",
        "",
    )


def test_forbidden_order_of_steps(training: Task) -> None:
    task = compression(training, 3)
    task["spec"]["recipe"]["steps"].reverse()
    assert refusal(task) == (
        "recipe_invalid",
        "recipe classic, level 3[1].step: expected a step that may follow quantize_dynamic, "
        'found "prune_magnitude"',
        "prune_magnitude never comes after quantize_dynamic: move it before, or leave one of them out",
    )


def test_changed_dataset(training: Task) -> None:
    root = training["paths"]["dataset"]
    assert refusal({**training, "inputs": {"dataset": "0" * 64}}) == (
        "dataset_changed",
        f"data set small: {root} has changed since the task was planned",
        PLAN_AGAIN,
    )


def test_changed_checkpoint(training: Task, trained: object) -> None:
    task = {**compression(training, 1), "inputs": {"checkpoint": "0" * 64}}
    assert refusal(task) == (
        "input_changed",
        f"{training['paths']['output']}: the file has changed since the task was planned",
        PLAN_AGAIN,
    )


@pytest.mark.parametrize(
    ("part", "expected", "found"),
    [("seed", 7, 0), ("dataset", "cifar10", "small")],
)
def test_checkpoint_made_otherwise(
    training: Task, trained: object, part: str, expected: object, found: object
) -> None:
    task = compression(training, 1)
    task["spec"][part] = expected
    assert refusal(task) == (
        "model_made_otherwise",
        f"{training['paths']['output']}: expected {part} {expected}, the file was made with {part} {found}",
        "Name the file that belongs to these settings, or the settings that belong to this file",
    )


def test_artifact_of_another_level(
    compressed: dict[int, tuple[Task, dict[str, Any], list[Event]]], training: Task
) -> None:
    task = measurement(training, compressed[3][0])
    task["spec"]["recipe"]["level"] = 1
    code, message, _ = refusal(task)
    assert (code, message) == (
        "model_made_otherwise",
        f"{task['paths']['artifact']}: expected level 1, the file was made with level 3",
    )


def test_artifact_of_another_original(
    compressed: dict[int, tuple[Task, dict[str, Any], list[Event]]], training: Task, tmp_path: Path
) -> None:
    """As after a training with the same settings on another machine: same key, other weights."""
    original = read_model(Path(training["paths"]["output"]))
    other = tmp_path / "other.pth"
    write_model(
        other,
        {name: tensor.clone() for name, tensor in original.tensors.items()},
        {**(original.record or {}), "threads": 99},
    )
    task = measurement(training, compressed[1][0])
    task["paths"]["original"] = str(other)
    assert refusal(task) == (
        "not_the_parent",
        f"{task['paths']['artifact']} was not made from {other}",
        "Compress this original again, or put the original back that the artifact was made from",
    )


def test_importing_the_tasks_imports_no_torch() -> None:
    code = "import json, sys, capstone_worker.tasks; print(json.dumps('torch' in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=schema.PACKAGE_ROOT / "py", capture_output=True, check=True
    )
    assert json.loads(done.stdout) is False


def test_memory_of_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as refused:
        peak_memory_mb([Load(str(tmp_path / "none.pt"), MODEL, "torch", 1, 1)])
    assert (refused.value.code, refused.value.hint) == (
        "memory_not_measured",
        "Free memory, or leave benchmark.peak_memory out",
    )
    assert refused.value.message.startswith(
        f"{tmp_path}/none.pt: the process that measures its memory failed: "
    )


def test_benchmark_in_the_other_runtimes(
    compressed: dict[int, tuple[Task, dict[str, Any], list[Event]]], training: Task
) -> None:
    task = measurement(training, compressed[3][0])
    task["spec"]["benchmark"]["runtimes"] = ["torch_frozen", "onnxruntime", "openvino"]
    found = {row["runtime"]: row for row in tasks.run(with_key(task), discard, never_stop)["rows"]}
    assert list(found) == task["spec"]["benchmark"]["runtimes"]
    assert (found["torch_frozen"]["original_dtype"], found["torch_frozen"]["compressed_dtype"]) == (
        "float32",
        "int8",
    )
    # neither has a kernel for our int8 layers yet, and says so
    assert (found["onnxruntime"]["original_dtype"], found["onnxruntime"]["compressed_dtype"]) == (
        "float32",
        "float32",
    )
    assert found["openvino"]["original_dtype"] == found["openvino"]["compressed_dtype"]
    for row in found.values():
        assert 0 < row["speedup_vs_best_original"] <= 1.2 * row["speedup_vs_eager"]
        assert row["original_peak_memory_mb"] is None
        assert row["best_original_runtime"].split()[0] in RUNTIMES
