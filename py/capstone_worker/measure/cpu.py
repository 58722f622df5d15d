"""What the operating system says of this machine's CPU, and how much of it this process may use.

src/run/machine.ts follows the same rules, so that both languages put the same CPU into a key:

model   /proc/cpuinfo: the first line ``model name : …``, whitespace runs collapsed to one space and trimmed;
        macOS: ``sysctl -n machdep.cpu.brand_string``, likewise; where that is missing or empty, ``unknown``
flags   /proc/cpuinfo: the first line ``flags : …`` (x86), else ``Features : …`` (ARM), of which those in
        ISA_FLAGS are kept, sorted; macOS on ARM: asimd and asimddp; elsewhere none
CPUs    those of the affinity mask (without one: all), at most the smallest of these caps, each rounded down
        but at least 1:
        cgroup v2: /proc/self/cgroup has a line ``0::PATH``; ``cpu.max`` in /sys/fs/cgroup/PATH and in every
        folder above it up to /sys/fs/cgroup, where ``QUOTA PERIOD`` is QUOTA / PERIOD and ``max …`` no cap
        cgroup v1: cpu.cfs_quota_us / cpu.cfs_period_us in /sys/fs/cgroup/cpu, no cap unless both are above 0

A file that cannot be read says nothing.
"""

from __future__ import annotations

import os
import platform
import posixpath
import re
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import Literal

Int8Backend = Literal["x86_vnni", "x86", "qnnpack"]
"""Kernels that static int8 is made for."""

ISA_FLAGS = (
    "amx_bf16",
    "amx_int8",
    "amx_tile",
    "asimd",
    "asimddp",
    "avx",
    "avx2",
    "avx512_bf16",
    "avx512_vnni",
    "avx512bw",
    "avx512f",
    "avx512vl",
    "avx_vnni",
    "bf16",
    "f16c",
    "fma",
    "i8mm",
    "sse4_1",
    "sse4_2",
    "sve",
)
"""The flags that decide which kernels run, sorted. Of all flags, a kernel update would change the key."""

_CLASSES = (
    ("amx_tile", "amx"),
    ("avx512_bf16", "avx512_bf16"),
    ("avx512_vnni", "avx512_vnni"),
    ("avx512f", "avx512"),
    ("avx2", "avx2"),
    ("asimd", "neon"),
)

_CPUINFO = "/proc/cpuinfo"
_CGROUPS = "/sys/fs/cgroup"

ReadText = Callable[[str], str | None]
"""A file's text by its absolute path; None where it cannot be read."""


def cpu_model() -> str:
    """The CPU's model name, for example ``AMD EPYC 9B14``."""
    cpuinfo = _read_text(_CPUINFO)
    if cpuinfo is not None:
        return parse_model(cpuinfo)
    if sys.platform == "darwin":
        brand = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=True
        )
        return _collapse(brand.stdout) or "unknown"
    return "unknown"


def isa_flags() -> list[str]:
    """Those of ISA_FLAGS that the CPU has, sorted."""
    cpuinfo = _read_text(_CPUINFO)
    if cpuinfo is not None:
        return parse_flags(cpuinfo)
    return ["asimd", "asimddp"] if sys.platform == "darwin" and platform.machine() == "arm64" else []


def isa() -> str:
    """The class of this CPU, as `isa_class`."""
    return isa_class(isa_flags(), cpu_model())


def int8_backend() -> Int8Backend:
    """Whose int8 kernels this machine has; the same rule as src/run/machine.ts.

    AVX-VNNI alone does not count: torch 2.2.2 then computes Linear layers with fbgemm's kernels for AVX2.
    """
    if platform.machine().lower() not in ("x86_64", "amd64", "i686"):
        return "qnnpack"
    return "x86_vnni" if "avx512_vnni" in isa_flags() else "x86"


def usable_cpus() -> int:
    """CPUs this process may use, at least 1: its affinity, capped by the quotas of its cgroups."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([affinity, *quota_caps(_read_text)])


def parse_model(cpuinfo: str) -> str:
    """The model in the text of /proc/cpuinfo; ``unknown`` where it names none, as on most ARM machines."""
    return _field(cpuinfo, "model name") or "unknown"


def parse_flags(cpuinfo: str) -> list[str]:
    """Those of ISA_FLAGS in the text of /proc/cpuinfo, sorted."""
    present = (_field(cpuinfo, "flags") or _field(cpuinfo, "Features")).split(" ")
    return [flag for flag in ISA_FLAGS if flag in present]


def isa_class(flags: Collection[str], model: str) -> str:
    """The best class that the flags allow: the second words of _CLASSES in their order, else ``other``.

    Without AMX, Intel's bf16 is a class of its own, ``avx512_bf16_intel``: with the same flags it trains
    slower than fp32 where AMD's trains twice as fast (docs/performance.md).
    """
    found = next((name for flag, name in _CLASSES if flag in flags), "other")
    return f"{found}_intel" if found == "avx512_bf16" and model.startswith("Intel") else found


def quota_caps(read_text: ReadText) -> list[int]:
    """The CPUs that each cgroup quota over this process allows, at least 1 each; empty where none does."""
    caps = [parse_cpu_max(read_text(f"{folder}/cpu.max") or "") for folder in cgroup_folders(read_text)]
    quota = int(read_text(f"{_CGROUPS}/cpu/cpu.cfs_quota_us") or -1)
    period = int(read_text(f"{_CGROUPS}/cpu/cpu.cfs_period_us") or 0)
    if quota > 0 and period > 0:
        caps.append(max(1, quota // period))
    return [cap for cap in caps if cap is not None]


def parse_cpu_max(text: str) -> int | None:
    """The CPUs that a ``cpu.max`` allows: ``150000 100000`` is 1, ``max 100000`` None."""
    match = re.match(r"([0-9]+) ([0-9]+)", text)
    return None if match is None else max(1, int(match[1]) // int(match[2]))


def cgroup_folders(read_text: ReadText | None = None) -> list[str]:
    """Of this process' cgroup (version 2) and of all above it; none where there are no such."""
    read_text = read_text or _read_text
    unified = re.search(r"^0::(.*)$", read_text("/proc/self/cgroup") or "", re.MULTILINE)
    if unified is None:
        return []
    # Seen from inside another cgroup namespace the path may climb out of the root: /../other
    folder = PurePosixPath(posixpath.normpath(f"{_CGROUPS}/{unified[1]}"))
    return [str(above) for above in (folder, *folder.parents) if above.is_relative_to(_CGROUPS)]


def _field(cpuinfo: str, name: str) -> str:
    """The value of the first line of that name, collapsed; empty where there is none."""
    match = re.search(rf"^{name}[ \t]*:(.*)$", cpuinfo, re.MULTILINE)
    return "" if match is None else _collapse(match[1])


def _collapse(text: str) -> str:
    return " ".join(text.split())


def _read_text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
