"""What a task takes of the machine: its own process and those that it started, every few seconds.

Looking takes the host about 1 ms, so that what a task times meanwhile does not notice.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

EVERY_S = 2.0
MIB = 1 << 20


class UsageMeter:
    """Reads one task's usage; without psutil, which an interpreter of the user's own may lack, nothing.

    Args:
        pid: of the task.
        on_gpu: it computes on a GPU, of which `nvidia-smi` is asked as well.
    """

    def __init__(self, pid: int, *, on_gpu: bool) -> None:
        self._process = None
        self._cpu_s: dict[Any, float] = {}
        self._read_at = time.monotonic()
        self._gpu = _GpuMeter() if on_gpu else None
        if find_spec("psutil") is None:
            return
        import psutil

        with suppress(psutil.Error):
            self._process = psutil.Process(pid)

    def read(self) -> dict[str, float | None] | None:
        """Values of a `usage` event, since the last reading; None where nothing is known.

        cpu_percent: 100 for each CPU that was busy throughout. memory_bytes: resident; what processes share
        is counted in each. gpu_percent, gpu_memory_bytes: of the whole GPU; None where there is none, or
        nvidia-smi has not answered yet.
        """
        if self._process is None:
            return None
        import psutil

        now = time.monotonic()
        try:
            processes = [self._process, *self._process.children(recursive=True)]
        except psutil.Error:  # it has just ended
            return None
        cpu_s: dict[Any, float] = {}
        memory = 0
        for process in processes:
            with suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                cpu_s[process] = times.user + times.system
                memory += process.memory_info().rss
        spent = sum(seconds - self._cpu_s.get(process, 0.0) for process, seconds in cpu_s.items())
        values: dict[str, float | None] = {
            "cpu_percent": round(100 * spent / max(now - self._read_at, 1e-3), 1),
            "memory_bytes": memory,
            "gpu_percent": None,
            "gpu_memory_bytes": None,
        }
        self._cpu_s, self._read_at = cpu_s, now
        return values | (self._gpu.read() if self._gpu is not None else {})

    def close(self) -> None:
        """Nothing is asked any more."""
        if self._gpu is not None:
            self._gpu.close()


class _GpuMeter:
    """nvidia-smi, which takes up to a second: asked at one reading, its answer taken at a later one."""

    def __init__(self) -> None:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
        query = "--query-gpu=utilization.gpu,memory.used"
        self._command = ["nvidia-smi", query, "--format=csv,noheader,nounits", f"--id={visible or 0}"]
        self._asked: subprocess.Popen[str] | None = None
        self._values: dict[str, float | None] = {}

    def read(self) -> dict[str, float | None]:
        if self._asked is not None and self._asked.poll() is not None:
            self._values = self._answer(self._asked)
            self._asked = None
        if self._asked is None:
            with suppress(OSError):  # there is no nvidia-smi
                self._asked = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
        return self._values

    def close(self) -> None:
        if self._asked is not None:
            self._asked.kill()
            self._asked.communicate()
            self._asked = None

    @staticmethod
    def _answer(asked: subprocess.Popen[str]) -> dict[str, float | None]:
        said = asked.communicate()[0]
        try:
            percent, mib = (float(value) for value in said.split(","))
        except ValueError:  # "[N/A]", as of a part of a GPU
            return {}
        return {"gpu_percent": percent, "gpu_memory_bytes": mib * MIB}
