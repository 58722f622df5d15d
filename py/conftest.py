"""Fixtures of more than one room."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from capstone_worker.measure import latency
from capstone_worker.models.conftest import Fresh

CLASSES = 10
IMAGES = {"train": 10, "test": 10}


def make_small_dataset(root: Path) -> None:
    """A folder of 100 training and 100 test images of 28 pixels, each class about a shade of its own.

    Called as the bundled set, it stands for it wherever its folder is the data root: 5,000 test images take
    one thread seconds.
    """
    noise = np.random.default_rng(0)
    for split, count in IMAGES.items():
        for label in range(CLASSES):
            folder = root / split / f"class {label}"
            folder.mkdir(parents=True)
            for place in range(count):
                pixels = noise.integers(0, 60, (28, 28), dtype=np.uint8) + 20 * label
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{place}.png")


@pytest.fixture(scope="session")
def said_in_a_fresh_process() -> Iterator[Fresh]:
    """The digests of what a file says to `models.conftest.IMAGES` there, for ``reference`` or runtimes."""
    script = Path(__file__).parent / "fixtures" / "fresh_logits.py"
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(file: Path, *forwards: str) -> list[str]:
            assert process.stdin is not None
            assert process.stdout is not None
            print(file, torch.get_num_threads(), *forwards, sep="\t", file=process.stdin, flush=True)
            return process.stdout.readline().split()

        yield ask


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `make_small_dataset`, to be copied or linked to."""
    root = tmp_path_factory.mktemp("small")
    make_small_dataset(root)
    return root


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real measurements without added rounds: beside other tests each would go on for all the time it has."""
    monkeypatch.setattr(latency, "PATIENCE_S", 0.0)
