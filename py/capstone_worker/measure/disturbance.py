"""What on this machine disturbs a measurement while it goes on, in words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .cpu import cgroup_folders

_CPUS = Path("/sys/devices/system/cpu")
_FAST = {"performance", "schedutil"}
"""Governors under which a busy CPU runs as fast as it can; the same code runs slower under others."""
_CHOOSES_ITSELF = {"intel_pstate", "amd-pstate-epp"}
"""Drivers under which the CPU sets its own clock, whatever they call the governor (Linux,
Documentation/admin-guide/pm/intel_pstate.rst and amd-pstate.rst): their powersave is no lowest clock."""

_THROTTLED_S = 0.01


@dataclass(frozen=True)
class State:
    """What can be read off before and after.

    Attributes:
        load: tasks that wanted to run on this machine, on average over the minute before.
        throttled_s: seconds for which this process' control groups have had no CPU time left, since ever.
        governors: what chooses the clock of each CPU; empty where the system does not say, or leaves it to
            the CPU.
    """

    load: float
    throttled_s: float
    governors: frozenset[str]


def read_state() -> State:
    """Of this moment."""
    stats = (Path(folder, "cpu.stat") for folder in cgroup_folders())
    return State(
        os.getloadavg()[0],
        sum(throttled_s(text) for text in map(_read, stats)),
        frozenset(filter(None, map(_governor, _CPUS.glob("cpu[0-9]*/cpufreq")))),
    )


def _governor(cpufreq: Path) -> str:
    return "" if _read(cpufreq / "scaling_driver") in _CHOOSES_ITSELF else _read(cpufreq / "scaling_governor")


def _read(path: Path) -> str:
    """Empty where it cannot be read: a CPU that is switched off answers that it is busy."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def throttled_s(stat: str) -> float:
    """Of a control group's ``cpu.stat``; 0 where it does not say."""
    fields = dict(line.split() for line in stat.splitlines() if line)
    return int(fields.get("throttled_usec", 0)) / 1e6


def disturbances(before: State, after: State, cpus: int) -> list[str]:
    """In words, none where nothing was seen.

    Args:
        before: the measurement.
        after: it.
        cpus: of this machine. The own threads are at most one a CPU, so a load of one more is somebody
            else's.
    """
    words = []
    if before.load >= cpus + 1:
        words.append(f"load average {before.load:.1f} on {cpus} CPUs")
    throttled = after.throttled_s - before.throttled_s
    if throttled > _THROTTLED_S:
        words.append(f"the container's CPU limit stopped it for {throttled:.2f} s")
    slow = sorted(after.governors - _FAST)
    if slow:
        words.append(f"CPU governor {', '.join(slow)}")
    return words
