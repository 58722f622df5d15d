"""The scripts as a user starts them, beside the same tasks run without them; flags, names and refusals."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from capstone_worker import rows, schema, tasks
from capstone_worker.artifact.read import read_model, read_record
from capstone_worker.artifact.write import write_model
from capstone_worker.by_hand import act
from capstone_worker.by_hand.arguments import Arguments, parse
from capstone_worker.by_hand.main import main
from capstone_worker.by_hand.names import artifact_name, checkpoint_name
from capstone_worker.by_hand.originals import Original
from capstone_worker.by_hand.outcome import side_by_side
from capstone_worker.by_hand.plan import plan
from capstone_worker.by_hand.progress import drawn_progress
from capstone_worker.errors import UserError
from capstone_worker.report import Event, Report, never_stop

pytestmark = pytest.mark.usefixtures("impatient")

SCRIPTS = schema.PACKAGE_ROOT / "py"
DATASET = "fashion_mnist_mini"
FEW = ["--dataset", DATASET, "--epochs", "1", "--max-train-samples", "64"]


def discard(event: Event) -> None:
    pass


def job(kind: str, *argv: str) -> dict[str, Any]:
    return parse(kind, "usage", argv).job


def script(kind: str, *argv: str, workspace: Path) -> tuple[str, str]:
    """What a script that succeeds there says on stdout and stderr."""
    stdout, stderr = io.StringIO(), io.StringIO()
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"py/{kind}.py", *argv])
        patch.setattr(sys, "stdout", stdout)
        patch.setattr(sys, "stderr", stderr)
        patch.chdir(workspace)
        assert main(kind, "usage") == 0
    torch.set_num_threads(threads)
    return stdout.getvalue(), stderr.getvalue()


def refusal(arguments: Arguments, workspace: Path) -> tuple[str, str, str]:
    with pytest.raises(UserError) as refused:
        plan(arguments, workspace)
    return refused.value.code, refused.value.message, refused.value.hint


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, small_dataset: Path) -> Path:
    """After py/train.py and py/compress.py."""
    folder = tmp_path_factory.mktemp("by-hand")
    with_data(folder, small_dataset)
    path = folder / "checkpoints" / f"resnet18_{DATASET}.pth"
    stdout, stderr = script("train", *FEW, workspace=folder)
    acc = read_record_of(path)["metrics"]["acc"]
    assert stdout == f"{path}: resnet18 on {DATASET}, accuracy {acc:.2f} %\n"
    assert "\x1b" not in stderr
    assert "\r" not in stderr
    stdout, _ = script("compress", "--checkpoint", str(path), "--compression-level", "1,3", workspace=folder)
    assert [line.split(":")[0] for line in stdout.splitlines()] == [
        str(folder / "compressed_models" / f"compressed_resnet18_{DATASET}_l{level}.pt") for level in (1, 3)
    ]
    return folder


def with_data(folder: Path, small_dataset: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / DATASET).symlink_to(small_dataset)


def read_record_of(path: Path) -> dict[str, Any]:
    record = read_record(path)
    assert record is not None
    return record


def test_same_bytes_as_the_tasks_alone(workspace: Path, small_dataset: Path, tmp_path: Path) -> None:
    with_data(tmp_path, small_dataset)
    threads = torch.get_num_threads()
    try:
        for arguments in (
            parse("train", "", FEW),
            parse(
                "compress", "", ["--dataset", DATASET, "--compression-level", "1", "--compression-level", "3"]
            ),
        ):
            for task in plan(arguments, tmp_path):
                torch.set_num_threads(task["threads"])
                tasks.run(task, discard, never_stop)
                output = Path(task["paths"]["output"])
                assert output.read_bytes() == (workspace / output.relative_to(tmp_path)).read_bytes()
    finally:
        torch.set_num_threads(threads)


def test_benchmark(workspace: Path) -> None:
    argv = ["--dataset", DATASET, "--levels", "1", "--levels", "3", "--max-eval-samples", "50"]
    stdout, stderr = script("benchmark", *argv, "--batch-sizes", "1", workspace=workspace)
    assert stderr.splitlines().count("measure") == 1  # both levels in one rotation
    written = rows.parse_csv((workspace / "benchmark_levels.csv").read_text(encoding="utf-8"))
    assert [(row["level"], row["batch_size"], row["eval_samples"]) for row in written] == [
        (1, 1, 50),
        (3, 1, 50),
    ]
    titles = [line for line in stdout.splitlines() if line.startswith("resnet18")]
    assert titles == [
        f"resnet18 on {DATASET}, classic level {row['level']}: "
        f"50 test images, torch on {row['cpu']}, {row['threads']} threads"
        for row in written
    ]
    said = re.findall(
        r"^best original at batch 1: ([\d.]+) ms in (.+); compressed ([\d.]+) times as fast$", stdout, re.M
    )
    for (latency, runtime, speedup), row in zip(said, written, strict=True):
        assert runtime == row["best_original_runtime"]
        # Within a step of what is printed: the file's numbers were rounded once already.
        assert float(latency) == pytest.approx(row["best_original_latency_ms"], abs=0.0011)
        assert float(speedup) == pytest.approx(row["speedup_vs_best_original"], abs=0.011)


def test_both_classic_networks_are_measured_where_their_files_are_there(
    workspace: Path, tmp_path: Path
) -> None:
    shutil.copytree(workspace, tmp_path, dirs_exist_ok=True)
    files = [
        "checkpoints/{}_" + f"{DATASET}.pth",
        "compressed_models/compressed_{}_" + f"{DATASET}_l1.pt",
    ]

    def planned(*levels: int) -> list[str]:
        argv = ["--dataset", DATASET, "--levels", ",".join(map(str, levels))]
        return [task["id"] for task in plan(parse("benchmark", "", argv), tmp_path)]

    of_resnet = f"benchmark-resnet18-{DATASET}-s0-classic-l"
    assert planned(1) == [f"{of_resnet}1"]
    for name in files:  # whatever they hold: they are asked for their keys alone
        shutil.copy(tmp_path / name.format("resnet18"), tmp_path / name.format("vit_b_16"))
    assert planned(1) == [f"{of_resnet}1", f"benchmark-vit_b_16-{DATASET}-s0-classic-l1"]
    assert planned(1, 3) == [f"{of_resnet}1", f"{of_resnet}3"], "its level 3 is not there"


def test_what_is_said_of_one_level_is_heard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what all do together is said once."""

    def together(tasks: Sequence[object], reports: Sequence[Report], _: object) -> list[dict[str, Any]]:
        for report in reports:
            report({"type": "metric", "split": "test", "epoch": 1, "values": {"acc": 50.0}})
        reports[1]({"type": "log", "level": "warning", "message": "of the second level"})
        return [{} for _ in tasks]

    monkeypatch.setattr(tasks, "run_together", together)
    threads = torch.get_num_threads()
    act._run([{"threads": threads}, {"threads": threads}])
    said = capsys.readouterr().err
    assert said.count("of the second level") == 1
    assert said.count("epoch 1, test: acc 50") == 1


def test_large_networks_are_not_measured_all_at_once(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(act, "ROTATION_BYTES", 100_000_000)  # of which each holds 45
    argv = ["--dataset", DATASET, "--levels", "1,3", "--max-eval-samples", "40", "--batch-sizes", "1"]
    stdout, _ = script("benchmark", *argv, workspace=workspace)
    assert re.findall(r"^resnet18 .* level (\d)", stdout, re.M) == ["1", "3"]
    planned = plan(parse("benchmark", "", argv), workspace)
    assert [len(together) for together in act._rotations(planned)] == [1, 1]


def test_benchmark_where_one_of_the_files_is_damaged(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What came before it is measured and kept."""
    shutil.copytree(workspace, tmp_path, dirs_exist_ok=True)
    (tmp_path / "benchmark_levels.csv").unlink(missing_ok=True)
    artifact = tmp_path / "compressed_models" / f"compressed_resnet18_{DATASET}_l3.pt"
    damaged = bytearray(artifact.read_bytes())
    damaged[1_000_000] ^= 255
    artifact.write_bytes(damaged)
    argv = ["--dataset", DATASET, "--levels", "1,3", "--max-eval-samples", "50", "--batch-sizes", "1"]
    monkeypatch.setattr(sys, "argv", ["py/benchmark.py", *argv])
    monkeypatch.chdir(tmp_path)
    assert main("benchmark", "usage") == 2
    said = capsys.readouterr()
    assert f"error: {artifact}: " in said.err
    assert f"resnet18 on {DATASET}, classic level 1" in said.out
    written = rows.parse_csv((tmp_path / "benchmark_levels.csv").read_text(encoding="utf-8"))
    assert [row["level"] for row in written] == [1]


def test_a_file_of_the_same_model_is_replaced(workspace: Path) -> None:
    """Whatever its settings were: seed, data set, model, recipe and level are what counts."""
    (task,) = plan(parse("train", "", [*FEW, "--lr", "0.1"]), workspace)
    assert Path(task["paths"]["output"]).is_file()


@pytest.mark.parametrize("content", [b"no model", None])
def test_a_file_in_the_way(workspace: Path, tmp_path: Path, content: bytes | None) -> None:
    output = tmp_path / "mine.pth"
    if content is None:
        shutil.copy(workspace / "compressed_models" / f"compressed_resnet18_{DATASET}_l1.pt", output)
    else:
        output.write_bytes(content)
    argv = [*FEW, "--output", "mine.pth"]
    assert refusal(parse("train", "", argv), tmp_path) == (
        "output_in_the_way",
        f"{output} exists and is not what train-resnet18-{DATASET}-s0 would replace",
        "Move it away, choose another --output, or allow it to be replaced with --force",
    )
    (task,) = plan(parse("train", "", [*argv, "--force"]), tmp_path)
    assert task["paths"]["output"] == str(output)


def test_one_output_for_two_tasks(tmp_path: Path) -> None:
    arguments = parse("train", "", [*FEW, "--seed", "0,1", "--output", "mine.pth"])
    assert refusal(arguments, tmp_path) == (
        "output_shared",
        f"train-resnet18-{DATASET}-s0 and train-resnet18-{DATASET}-s1 would both write {tmp_path}/mine.pth",
        "Leave out --output, or ask for one file",
    )


def test_plan_of_a_training(tmp_path: Path) -> None:
    (task,) = plan(
        parse("train", "", [*FEW, "--threads", "3", "--seed", "5", "--precision", "bf16"]), tmp_path
    )
    assert schema.validate("task", task) == task
    assert task["threads"] == 3
    assert "threads" not in task["spec"]["train"]
    assert task["spec"]["train"]["precision"] == "bf16"
    assert task["paths"]["output"] == str(tmp_path / "checkpoints" / f"resnet18_{DATASET}_s5.pth")
    assert task["paths"]["partial"] == str(tmp_path / "checkpoints" / ".partial" / task["key"])


def test_a_preset_gives_way_to_what_is_said(tmp_path: Path) -> None:
    (task,) = plan(parse("train", "", ["--dataset", DATASET, "--preset", "fast", "--epochs", "3"]), tmp_path)
    assert schema.validate("task", task) == task
    fast = schema.preset("train", "fast")
    assert fast["ema_decay"] > 0
    assert task["spec"]["train"].items() >= {**fast, "epochs": 3}.items()
    assert "preset" not in task["spec"]["train"]


def test_what_a_step_leaves_to_the_machine_is_settled(workspace: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "int8.json"
    levels = {str(level): [{"step": "quantize_static"}] for level in range(1, 6)}
    recipe.write_text(json.dumps({"version": 1, "name": "int8", "levels": levels}))
    argv = ["--dataset", DATASET, "--recipe", str(recipe), "--compression-level", "1"]
    (task,) = plan(parse("compress", "", argv), workspace)
    (step,) = task["spec"]["recipe"]["steps"]
    assert step["backend"] in ("x86_vnni", "x86", "qnnpack")


def test_image_sizes(workspace: Path, tmp_path: Path) -> None:
    """The architecture's own by default; that of a checkpoint that is named."""
    (task,) = plan(parse("train", "", ["--model", "vit_b_16", *FEW]), tmp_path)
    assert task["spec"]["model"] == {
        "name": "vit_b_16",
        "arch": "vit_b_16",
        "stem": "imagenet",
        "image_size": 224,
    }
    file = read_model(workspace / "checkpoints" / f"resnet18_{DATASET}.pth")
    assert file.record is not None
    file.record["model"] |= {"image_size": 48, "stem": "cifar"}
    write_model(tmp_path / "other.pth", file.tensors, file.record)
    arguments = parse("compress", "", ["--checkpoint", "other.pth", "--compression-level", "1"])
    (task,) = plan(arguments, tmp_path)
    assert task["spec"]["model"].items() >= {"image_size": 48, "stem": "cifar"}.items()


def test_data_set_and_seed_come_from_the_checkpoint(workspace: Path) -> None:
    checkpoint = workspace / "checkpoints" / f"resnet18_{DATASET}.pth"
    argv = ["--checkpoint", str(checkpoint), "--num-classes", "10", "--compression-level", "1"]
    (task,) = plan(parse("compress", "", argv), workspace)
    assert schema.validate("task", task) == task
    assert (task["spec"]["dataset"], task["spec"]["seed"]) == (DATASET, 0)
    assert task["inputs"]["checkpoint"] == read_record_of(checkpoint)["key"]
    assert refusal(parse("compress", "", [*argv, "--num-classes", "100"]), workspace) == (
        "model_wrong_classes",
        f"{checkpoint}: expected 100 classes, the file has 10",
        "Use --num-classes 10, or name another file",
    )


@pytest.mark.parametrize(
    ("argv", "dataset"),
    [
        (["--num-classes", "10"], "cifar10"),
        (["--num-classes", "100"], "cifar100"),
        (["--num-classes", "100", "--dataset", "birds"], "birds"),
    ],
)
def test_data_set_of_a_checkpoint_that_does_not_say(
    tmp_path: Path, argv: Sequence[str], dataset: str
) -> None:
    foreign = tmp_path / "foreign.pth"
    torch.save({"fc.weight": torch.zeros(1)}, foreign)
    arguments = ["--checkpoint", "foreign.pth", "--compression-level", "2"]
    (task,) = plan(parse("compress", "", [*arguments, *argv]), tmp_path)
    assert task["spec"]["dataset"] == dataset
    name = artifact_name("resnet18", dataset, "classic", 0, 2)
    assert task["paths"]["output"] == str(tmp_path / "compressed_models" / name)
    assert refusal(parse("compress", "", [*arguments, "--num-classes", "7"]), tmp_path) == (
        "dataset_unclear",
        f"{foreign} does not say which data set it was trained on",
        "Name it with --dataset, or give --num-classes 10 (cifar10) or 100 (cifar100)",
    )


def test_files_that_are_not_there(workspace: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoints" / "resnet18_cifar10.pth"
    assert refusal(parse("compress", "", []), tmp_path) == (
        "checkpoint_missing",
        f"{checkpoint} does not exist",
        "Make it first: py/train.py --model resnet18 --dataset cifar10",
    )
    arguments = parse("benchmark", "", ["--dataset", DATASET, "--levels", "2"])
    assert refusal(arguments, workspace) == (
        "artifact_missing",
        f"{workspace / 'compressed_models' / f'compressed_resnet18_{DATASET}_l2.pt'} does not exist",
        f"Make it first: py/compress.py --model resnet18 --dataset {DATASET} --compression-level 2",
    )
    arguments = parse("compress", "", ["--dataset", DATASET, "--seed", "7"])
    assert refusal(arguments, tmp_path)[2] == (
        f"Make it first: py/train.py --model resnet18 --dataset {DATASET} --seed 7"
    )


@pytest.mark.parametrize(
    ("argv", "levels"),
    [
        (["--levels", "1", "--levels", "2"], [1, 2]),
        (["--levels", "1-5"], [1, 2, 3, 4, 5]),
        (["--levels", "1,3"], [1, 3]),
        (["--levels", "1,3-4", "--levels", "5"], [1, 3, 4, 5]),
    ],
)
def test_levels(argv: Sequence[str], levels: list[int]) -> None:
    assert job("benchmark", *argv)["levels"] == levels


def test_flags_become_a_job() -> None:
    argv = "--model resnet18 --dataset cifar10 --data-root data --epochs 25 --batch-size 256 --lr 0.1"
    assert job("train", *argv.split(), "--output", "checkpoints/x.pth") == {
        "version": 1,
        "kind": "train",
        "models": ["resnet18"],
        "datasets": ["cifar10"],
        "data_root": "data",
        "train": {"epochs": 25, "batch_size": 256, "lr": 0.1},
        "output": "checkpoints/x.pth",
    }
    classic = "--model resnet18 --checkpoint c.pth --num-classes 10 --compression-level 3 --output a.pt"
    assert parse("compress", "", classic.split()) == Arguments(
        {"version": 1, "kind": "compress", "models": ["resnet18"], "levels": [3], "output": "a.pt"},
        checkpoint=Path("c.pth"),
        num_classes=10,
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--epochs", "many"], 'argument --epochs: expected a whole number, found "many"'),
        (["--lr", "fast"], 'argument --lr: expected a number, found "fast"'),
        (["--seed", "3-1"], 'argument --seed: expected a range such as 1-5, found "3-1"'),
        (["--epoch", "1"], "unrecognized arguments: --epoch 1"),
    ],
)
def test_bad_flags(argv: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        job("train", *argv)
    assert left.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].split(" error: ")[1] == message


def test_help_says_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        job("train", "--help")
    assert left.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--epochs N Passes over the training images. Default: 25." in text
    assert "Default: cifar10." in text


def test_names() -> None:
    assert checkpoint_name("resnet18", "cifar10", 0) == "resnet18_cifar10.pth"
    assert checkpoint_name("resnet18", "cifar10", 3) == "resnet18_cifar10_s3.pth"
    assert artifact_name("resnet18", "cifar10", "classic", 0, 1) == "compressed_resnet18_l1.pt"
    assert artifact_name("r", "birds", "deploy", 2, 5) == "compressed_r_birds_deploy_s2_l5.pt"


def test_a_script_refuses_in_one_message(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPTS / "train.py"), "--dataset", DATASET, "--epochs", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --epochs: expected a number, at least 1, found 0\n  Every flag with its meaning: --help\n"
    )


def test_a_python_without_torch_says_what_to_do(tmp_path: Path) -> None:
    """-S leaves out the site-packages."""
    command = [sys.executable, "-S", str(SCRIPTS / "train.py"), "--epochs", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        f"error: {sys.executable} has no module fastjsonschema\n"
        "  Run `capstone setup`, then use .venv/bin/python\n"
    )


def test_progress_without_a_terminal_is_plain_lines() -> None:
    stream = io.StringIO()
    metric = {"type": "metric", "split": "test", "epoch": 1, "values": {"loss": 0.51234, "acc": 87.5}}
    with drawn_progress(stream) as report:
        for _ in range(2):
            report({"type": "phase", "phase": "train"})
            report({"type": "progress", "phase": "train", "done": 1, "total": 2, "unit": "images"})
            report(metric)
        report({"type": "log", "level": "warning", "message": "look"})
    assert stream.getvalue() == ("train\n" + 2 * "epoch 1, test: loss 0.5123, acc 87.5\n" + "warning: look\n")


ROW = {
    "model": "resnet18",
    "dataset": "cifar10",
    "recipe": "classic",
    "level": 3,
    "seed": 0,
    "device": "cpu",
    "cpu": "AMD EPYC",
    "runtime": "torch",
    "threads": 2,
    "batch_size": 1,
    "eval_samples": 500,
    "original_params": 11_181_642,
    "compressed_params": 11_181_642,
    "original_nonzero": 11_181_642,
    "compressed_nonzero": 6_154_228,
    "original_sparsity": 0.0,
    "compressed_sparsity": 0.44961,
    "original_latency_ms": 2.0544,
    "compressed_latency_ms": 1.9,
    "original_throughput": 480.16,
    "compressed_throughput": 521.0,
    "original_acc": 92.4,
    "compressed_acc": 91.8,
    "original_file_size": 44_816_183,
    "compressed_file_size": 44_801_251,
    "best_original_runtime": "openvino bfloat16",
    "best_original_latency_ms": 0.2014,
    "speedup_vs_best_original": 0.106,
    "speedup": 1.0812,
    "speedup_low": 1.031,
    "speedup_high": 1.129,
    "verdict": "faster",
    "acc_drop": 0.6,
    "acc_drop_low": -0.2,
    "acc_drop_high": 1.4,
    "noise": None,
}

TABLE = """\
resnet18 on cifar10, classic level 3: 500 test images, torch on AMD EPYC, 2 threads
                                original  compressed
params                        11,181,642  11,181,642
nonzero                       11,181,642   6,154,228
sparsity                          0.0000      0.4496
acc (%)                            92.40       91.80  drop 0.60 (-0.20 to 1.40)
file_size (bytes)             44,816,183  44,801,251
latency, batch 1 (ms)              2.054       1.900  speedup 1.081 (1.031 to 1.129): faster
throughput, batch 1 (img/s)        480.2       521.0
latency, batch 64 (ms)         1,234.500       1.900  speedup 1.081 (1.031 to 1.129): no difference
throughput, batch 64 (img/s)       480.2       521.0
best original at batch 1: 0.201 ms in openvino bfloat16; compressed 0.11 times as fast
best original at batch 64: 0.201 ms in openvino bfloat16; compressed 0.11 times as fast
noise at batch 64: load average 3.1 on 2 CPUs
"""


def test_side_by_side() -> None:
    noisy = {
        **ROW,
        "batch_size": 64,
        "original_latency_ms": 1234.5,
        "verdict": "no_difference",
        "noise": "load average 3.1 on 2 CPUs",
    }
    assert side_by_side([ROW, noisy]) == TABLE


def test_a_network_by_own_code_is_refused_by_the_scripts() -> None:
    model = {"name": "resnet18", "arch": "resnet18", "stem": "imagenet", "image_size": 32}
    original = Original(model, "resnet", "cifar10", 0)
    record = {"model": {"name": "mine", "num_classes": 10, "image_size": 32}}
    with pytest.raises(UserError) as refused:
        original.as_recorded(record)
    assert (refused.value.code, refused.value.message, refused.value.hint) == (
        "model_own_code",
        "mine is a network by code of one's own, which no script can name",
        "Use `capstone compress --model NAME --checkpoint FILE`, or a spec for `capstone run`",
    )
