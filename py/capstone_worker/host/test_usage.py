from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from .usage import MIB, UsageMeter

BUSY = "import time\nheld = bytearray(b'x') * (100 << 20)\nwhile True: pass"
IDLE_WITH_BUSY_CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for its child, which computes and holds 100 MiB."""
    process = subprocess.Popen([sys.executable, "-c", IDLE_WITH_BUSY_CHILD], start_new_session=True)
    yield process
    os.killpg(process.pid, 9)
    process.wait()


def test_what_a_process_and_its_children_take(busy: subprocess.Popen[bytes]) -> None:
    meter = UsageMeter(busy.pid, on_gpu=False)
    seen = []
    for _ in range(200):
        time.sleep(0.1)
        values = meter.read()
        assert values is not None
        seen.append(values)
        if (values["cpu_percent"] or 0) > 10 and (values["memory_bytes"] or 0) > 100 * MIB:
            break
    else:
        pytest.fail(f"never busy: {seen[-3:]}")
    assert (values["cpu_percent"] or 0) < 130
    assert (values["memory_bytes"] or 0) < 300 * MIB
    assert values["gpu_percent"] is None
    assert values["gpu_memory_bytes"] is None


def test_a_process_that_has_ended_takes_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    meter = UsageMeter(process.pid, on_gpu=False)
    process.wait()
    assert meter.read() is None
    assert UsageMeter(process.pid, on_gpu=False).read() is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [("45, 3072", (45.0, 3072.0 * MIB)), ("[N/A], [N/A]", (None, None)), ("", (None, None))],
)
def test_the_gpu_as_nvidia_smi_tells(
    said: str, expected: tuple[float | None, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f'#!/bin/sh\necho "$@" >> "$0.asked"\necho "{said}"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    with closing(UsageMeter(os.getpid(), on_gpu=True)) as meter:
        values = meter.read()
        assert values is not None
        assert values["gpu_percent"] is None  # nothing has been answered yet
        for _ in range(100):
            time.sleep(0.02)
            values = meter.read()
            assert values is not None
            if values["gpu_percent"] is not None:
                break
    assert (values["gpu_percent"], values["gpu_memory_bytes"]) == expected
    assert "--id=3" in Path(f"{program}.asked").read_text(encoding="utf-8")


def test_without_nvidia_smi_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    values = UsageMeter(os.getpid(), on_gpu=True).read()
    assert values is not None
    assert values["gpu_percent"] is None
