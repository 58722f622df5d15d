"""Fixtures of more than one room."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from capstone_worker.data.conftest import write_images
from capstone_worker.measure import latency
from capstone_worker.models.conftest import Fresh


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
    """A folder to link to: 100 training and 100 test images of 28 pixels, each class about one shade.

    Under the name of the bundled set it stands for it: 5,000 test images take one thread seconds.
    """
    root, random = tmp_path_factory.mktemp("small"), np.random.default_rng(0)
    write_images(
        root,
        [f"class {index}" for index in range(10)],
        {"train": 10, "test": 10},
        lambda index: random.integers(0, 60, (28, 28), dtype=np.uint8) + np.uint8(20 * index),
    )
    return root


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real measurements without added rounds: beside other tests each would go on for all the time it has."""
    monkeypatch.setattr(latency, "PATIENCE_S", 0.0)
