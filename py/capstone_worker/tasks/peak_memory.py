"""The most memory that running a model takes, in a process of its own that does nothing else.

Reads the model file, prepares it in a runtime, runs one batch three times. What it counts is all of the
process: the interpreter, torch (which reads the file and prepares it), the runtime, weights, activations.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..death_signal import die_with_parent
from ..errors import MachineError, Stopped
from ..report import ShouldStop, never_stop
from ..schema import PACKAGE_ROOT

_CALLS = 3


@dataclass(frozen=True)
class Load:
    """What a process is to run; all that it needs.

    Attributes:
        path: of the model file.
        model: the task's: arch, stem and image_size, which a foreign file does not say.
        runtime: by name.
        batch_size: images in the batch.
        threads: of the runtime.
        told: of a foreign file the ``code`` that makes its network and its ``num_classes``, or null.
    """

    path: str
    model: Mapping[str, object]
    runtime: str
    batch_size: int
    threads: int
    told: Mapping[str, Any] = field(default_factory=dict)


def peak_memory_mb(loads: list[Load], should_stop: ShouldStop = never_stop) -> list[float]:
    """Peak resident memory of one fresh process for each, in MB (1e6 bytes); two run side by side.

    Raises:
        MachineError: ``memory_not_measured``: a process failed, for want of memory perhaps.
        Stopped: asked to stop, and the processes with this one.
    """
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(partial(_measure, should_stop=should_stop), loads))


def _measure(load: Load, should_stop: ShouldStop) -> float:
    if should_stop():
        raise Stopped
    ran = subprocess.run(
        [sys.executable, "-m", __name__, json.dumps(asdict(load)), str(os.getpid())],
        check=False,
        cwd=PACKAGE_ROOT / "py",
        capture_output=True,
        text=True,
    )
    if ran.returncode != 0:
        if should_stop():  # the signal went to the whole group
            raise Stopped
        last = (ran.stderr.strip() or f"it ended with {ran.returncode}").splitlines()[-1]
        raise MachineError(
            "memory_not_measured",
            f"{load.path}: the process that measures its memory failed: {last}",
            "Free memory, or leave benchmark.peak_memory out",
        )
    return float(ran.stdout)


def main() -> None:
    """In the fresh process: run what argv says, print the peak."""
    die_with_parent(int(sys.argv[2]))
    load = Load(**json.loads(sys.argv[1]))
    import torch

    from ..models.file import load_model
    from ..models.own_code import Code
    from ..runtimes.registry import RUNTIMES
    from ..runtimes.source import Source

    torch.set_num_threads(load.threads)
    known: Any = {key: load.model[key] for key in ("arch", "stem", "image_size") if key in load.model}
    if load.told.get("code"):
        known["code"] = Code.from_json(load.told["code"])
    loaded = load_model(Path(load.path), **known, num_classes=load.told.get("num_classes"))
    source = Source(loaded.network, known["image_size"])
    forward = RUNTIMES[load.runtime].prepare(source, threads=load.threads).forward
    batch = torch.zeros(load.batch_size, 3, source.image_size, source.image_size)
    for _ in range(_CALLS):
        forward(batch)
    print(_peak_bytes() / 1e6)


def _peak_bytes() -> int:
    """Of this process since it began. On Linux getrusage would tell of the process before the exec too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main()
