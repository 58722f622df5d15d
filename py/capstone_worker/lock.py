"""The lock that both languages take on what both write: a file that names its owner. A leaf.

``{"pid", "start_time", "boot_id", "host", "nonce"}``; src/store/lock.ts keeps the same protocol:

acquire(path)
    Write the JSON to a temporary file beside ``path``, link() it to ``path``, unlink the temporary file:
    exclusive as O_EXCL is, but never seen half written. (No hard links on this file system: O_EXCL, write.)
    Where ``path`` exists, read its owner:
      dead: take over;
      alive, on another host, or unreadable and younger than 10 s (being written without links): look again in
      50 ms, until the timeout.
take over
    Acquire ``path + ".takeover"`` by this very procedure: one taker at a time, and a dead taker is replaced
    in turn. If ``path`` still holds the bytes of the dead owner, rename an own temporary file over it: there
    is no moment without a lock file. Release the takeover lock. The nonce makes equal bytes the same owner.
release
    Unlink ``path`` if it still holds our nonce.

An owner is dead when it was on this host and the machine has booted since (other ``boot_id``), or no process
has its ``pid``, or one that started at another time, or only a zombie. An unreadable file is dead after 10 s.

    start_time   Linux: field 22 of /proc/<pid>/stat, as text; else ``ps -o lstart= -p <pid>``, trimmed
    boot_id      Linux: /proc/sys/kernel/random/boot_id, trimmed; else ``sysctl -n kern.boottime``, trimmed
    host         gethostname()

ps and sysctl run with LC_ALL=C and TZ=UTC: they print local time, and every process has to read the same.
A process that waits for a lock it holds itself waits in vain: the lock is not reentrant.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from .errors import MachineError

POLL_S = 0.05
UNREADABLE_IS_DEAD_S = 10.0
DEFAULT_TIMEOUT_S = 60.0

_FIELDS = {"pid", "start_time", "boot_id", "host", "nonce"}
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


@contextmanager
def held(path: Path, timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[None]:
    """Hold the lock ``path`` for the length of a with statement. Raises as `acquire` does."""
    nonce = acquire(path, timeout_s)
    try:
        yield
    finally:
        release(path, nonce)


def acquire(path: Path, timeout_s: float = DEFAULT_TIMEOUT_S) -> str:
    """Take the lock and return the nonce that releases it.

    Raises MachineError ``lock_held``, which names the owner, when it is not to be had within ``timeout_s``
    seconds, and OSError where no file can be made beside ``path``.
    """
    deadline = time.monotonic() + timeout_s
    nonce = uuid.uuid4().hex
    while True:
        seen = _read(path)
        if seen is None:
            if _create(path, nonce):
                return nonce
        elif _is_dead(path, seen):
            if _take_over(path, seen, nonce, deadline):
                return nonce
        elif time.monotonic() >= deadline:
            raise _lock_held(path, seen)
        else:
            time.sleep(POLL_S)


def release(path: Path, nonce: str) -> None:
    """Give the lock back; does nothing where it is no longer ours."""
    seen = _read(path)
    owner = None if seen is None else _owner(seen)
    if owner is not None and owner["nonce"] == nonce:
        path.unlink()


def _create(path: Path, nonce: str) -> bool:
    """Whether the lock is now ours; False when somebody else was first."""
    temporary = _write_beside(path, nonce)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return _create_without_links(path, nonce)
    finally:
        temporary.unlink()
    return True


def _create_without_links(path: Path, nonce: str) -> bool:
    try:
        with path.open("xb") as file:
            file.write(_claim(nonce))
    except FileExistsError:
        return False
    return True


def _take_over(path: Path, dead: bytes, nonce: str, deadline: float) -> bool:
    """Put our claim in the place of the dead owner's; False when somebody else has."""
    with held(path.with_name(path.name + ".takeover"), deadline - time.monotonic()):
        if _read(path) != dead:
            return False
        _write_beside(path, nonce).replace(path)
        return True


def _write_beside(path: Path, nonce: str) -> Path:
    temporary = path.with_name(f"{path.name}.{nonce}")
    temporary.write_bytes(_claim(nonce))
    return temporary


def _claim(nonce: str) -> bytes:
    pid = os.getpid()
    owner = {
        "pid": pid,
        "start_time": _start_time(pid),
        "boot_id": _boot_id(),
        "host": socket.gethostname(),
        "nonce": nonce,
    }
    return json.dumps(owner).encode()


def _read(path: Path) -> bytes | None:
    """What the lock file holds; None when there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _owner(seen: bytes) -> dict[str, object] | None:
    """The owner that the bytes of a lock file name; None where they are unreadable."""
    try:
        owner = json.loads(seen)
    except ValueError:
        return None
    return owner if isinstance(owner, dict) and owner.keys() >= _FIELDS else None


def _is_dead(path: Path, seen: bytes) -> bool:
    owner = _owner(seen)
    if owner is None:
        return _age_s(path) > UNREADABLE_IS_DEAD_S
    if owner["host"] != socket.gethostname():
        return False
    return owner["boot_id"] != _boot_id() or owner["start_time"] != _start_time(owner["pid"])


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _start_time(pid: object) -> str | None:
    """When the process started, in this system's words; None where there is none that runs."""
    if not Path("/proc/self/stat").exists():
        return _output("ps", "-o", "lstart=", "-p", str(pid)) or None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in "ZX" else fields[18]


@cache
def _boot_id() -> str:
    linux = Path("/proc/sys/kernel/random/boot_id")
    return linux.read_text().strip() if linux.exists() else _output("sysctl", "-n", "kern.boottime")


def _output(*command: str) -> str:
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _lock_held(path: Path, seen: bytes) -> MachineError:
    owner = _owner(seen)
    by = "by nobody one can tell" if owner is None else f"by process {owner['pid']} on {owner['host']}"
    return MachineError(
        "lock_held", f"{path} is held {by}", "Wait for it to end; remove the file only if it has ended"
    )
