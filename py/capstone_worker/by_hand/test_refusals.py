"""Bad input to the scripts: exit code, one message with the next step, nothing left behind.

What `capstone X` says to the same stands in test/refusals.test.ts, in the same words as far as they go.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from capstone_worker import schema
from capstone_worker.artifact.write import write_model
from capstone_worker.by_hand.main import main
from capstone_worker.by_hand.visible import visible

DATASET = "fashion_mnist_mini"
FLAGS = "Every flag with its meaning: --help"
DAMAGED = "The file is damaged or was changed after it was written: download or make it again"
RESAVE = (
    "Where you trust it, save it again in the plain format: "
    "torch.save(torch.load(old, map_location='cpu'), new), with a state_dict of tensors"
)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def said(kind: str, *argv: str, workspace: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and stderr, after looking that nothing was written but there."""
    before = listing(workspace)
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"py/{kind}.py", *argv])
        patch.setenv("XDG_CACHE_HOME", str(workspace.parent / "cache"))
        patch.chdir(workspace)
        code = main(kind, "usage")
    torch.set_num_threads(threads)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert listing(workspace) == before
    return code, captured.err


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """With a state_dict of another network, a whole one cut off, an empty file, a folder, odd records."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    torch.save({"encoder.weight": torch.zeros(3, 3)}, folder / "other.pth")
    whole = (folder / "other.pth").read_bytes()
    (folder / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.pth").touch()
    (folder / "folder.pth").mkdir()
    write_model(folder / "recordless.pth", {}, {"format": 1})
    write_model(folder / "newer.pth", {}, {"format": 2})
    (folder / "escape\x1b[31m.pth").write_bytes(b"no model")
    return folder


TRAIN = ["--dataset", DATASET, "--epochs", "1", "--max-train-samples", "64"]
COMPRESS = ["--num-classes", "10", "--compression-level", "1"]


@pytest.mark.parametrize(
    ("kind", "argv", "message", "hint"),
    [
        ("train", [*TRAIN, "--epochs", "0"], "--epochs: expected a number, at least 1, found 0", FLAGS),
        (
            "compress",
            ["--compression-level", "6"],
            "--compression-level: expected a level from 1 to 5, found 6",
            FLAGS,
        ),
        ("benchmark", ["--levels", "1-6"], "--levels: expected a level from 1 to 5, found 6", FLAGS),
        (
            "train",
            [*TRAIN, "--model", "resnet81"],
            "there is no architecture 'resnet81'; known: {architectures}",
            "Did you mean resnet18?",
        ),
        (
            "compress",
            [*COMPRESS, "--recipe", "clasic"],
            'unknown recipe "clasic"; known: {recipes}',
            'Did you mean "classic"?',
        ),
        (
            "compress",
            [*COMPRESS, "--checkpoint", "gone.pth"],
            "{workspace}/gone.pth: no such file",
            "Check the path, or make the model first",
        ),
        (
            "compress",
            [*COMPRESS, "--checkpoint", "cut.pth"],
            "{workspace}/cut.pth: the file ends too early",
            DAMAGED,
        ),
        (
            "compress",
            [*COMPRESS, "--checkpoint", "empty.pth"],
            "{workspace}/empty.pth: the file is empty",
            DAMAGED,
        ),
        (
            "compress",
            [*COMPRESS, "--checkpoint", "folder.pth"],
            "{workspace}/folder.pth: expected a model file, found a folder",
            "Name the file itself",
        ),
        (
            "compress",
            [*COMPRESS, "--checkpoint", "recordless.pth"],
            "{workspace}/recordless.pth: its record capstone.json is not as capstone writes it",
            DAMAGED,
        ),
        (
            "compress",
            [*COMPRESS, "--checkpoint", "newer.pth"],
            "{workspace}/newer.pth: expected format 1, found 2",
            "Update capstone: a newer one wrote this file",
        ),
        (
            "compress",
            [*COMPRESS, "--checkpoint", "other.pth"],
            "{workspace}/other.pth: the weights are not those of resnet18: fc.weight is missing or no matrix",
            "Name the architecture that the weights belong to",
        ),
        (
            "compress",
            ["--compression-level", "1", "--checkpoint", "other.pth"],
            "{workspace}/other.pth does not say which data set it was trained on",
            "Name it with --dataset, or give --num-classes 10 (cifar10) or 100 (cifar100)",
        ),
        (
            "compress",
            [*COMPRESS, "--checkpoint", "escape\x1b[31m.pth"],
            "{workspace}/escape\\x1b[31m.pth: this is no file of torch.save: it does not begin as a zip does",
            RESAVE,
        ),
        (
            "train",
            [*TRAIN, "--output", "folder.pth", "--force"],
            f"{{workspace}}/folder.pth is no file, and train-resnet18-{DATASET}-s0 would write one there",
            "Move it away, or choose another --output",
        ),
        (
            "train",
            [*TRAIN, "--output", "cut.pth/x.pth"],
            "{workspace}/cut.pth/x.pth cannot be written: a file is where a folder is needed",
            "Check the permissions of its folder, or choose another",
        ),
    ],
)
def test_refused(
    kind: str,
    argv: Sequence[str],
    message: str,
    hint: str,
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from capstone_worker.models.architectures import ARCHITECTURES

    known = {
        "workspace": str(workspace),
        "architectures": ", ".join(ARCHITECTURES),
        "recipes": ", ".join(sorted(path.stem for path in (schema.PACKAGE_ROOT / "recipes").glob("*.json"))),
    }
    expected = f"error: {message.format(**known)}\n  {hint}\n"
    code, stderr = said(kind, *argv, workspace=workspace, capsys=capsys)
    # A file is looked into when its task begins; nothing is written before.
    assert (code, stderr.removeprefix("load\n")) == (2, expected)


def test_no_permission(workspace: Path) -> None:
    """Root passes through every permission; without its capabilities it is like any other user."""
    workspace.chmod(0o555)
    command = [sys.executable, str(schema.PACKAGE_ROOT / "py" / "train.py"), *TRAIN]
    if os.getuid() == 0:
        setpriv = shutil.which("setpriv")
        assert setpriv is not None, "this test needs setpriv (util-linux) when it runs as root"
        os.chown(workspace, 65534, 65534)
        command = [setpriv, "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", *command]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False)
    workspace.chmod(0o755)
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        f"error: {workspace}/checkpoints/resnet18_{DATASET}.pth cannot be written: permission denied\n"
        "  Check the permissions of its folder, or choose another\n",
    )


def test_visible() -> None:
    assert visible("a\x1b[31mb\u202ec\x9bd\ne\ud800ü한") == "a\\x1b[31mb\\u202ec\\x9bd\ne\\ud800ü한"
