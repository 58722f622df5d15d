"""The lock: raced by processes that die with it in hand, and judged owner by owner."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from capstone_worker.errors import MachineError
from capstone_worker.lock import acquire, held, release

PY = Path(__file__).parents[1]

COUNTS = """
import os, sys
from pathlib import Path
from capstone_worker.lock import acquire, release
counter, times, then = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
lock = counter.with_name("lock")
for _ in range(times):
    nonce = acquire(lock)
    counter.write_text(str(int(counter.read_text()) + 1))
    if then == "die":
        os._exit(0)
    release(lock, nonce)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def owner_of(path: Path) -> dict[str, object]:
    owner: dict[str, object] = json.loads(path.read_bytes())
    return owner


def write_owner(path: Path, **changes: object) -> None:
    """A lock that this process holds, but for what ``changes``."""
    nonce = acquire(path)
    owner = owner_of(path)
    release(path, nonce)
    path.write_text(json.dumps({**owner, **changes}))


def test_no_count_is_lost_though_owners_die(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", COUNTS, str(counter)]
    counts = [*[("25", "live")] * 4, *[("1", "die")] * 6]
    environment = {**os.environ, "PYTHONPATH": str(PY)}
    processes = [subprocess.Popen([*command, *arguments], env=environment) for arguments in counts]
    assert [process.wait(60) for process in processes] == [0] * len(processes)
    assert counter.read_text() == str(4 * 25 + 6)
    with held(tmp_path / "lock"):  # the last may have died with it
        pass
    assert list(tmp_path.iterdir()) == [counter]


def test_the_file_names_its_owner(path: Path) -> None:
    with held(path):
        owner = owner_of(path)
    assert set(owner) == {"pid", "start_time", "boot_id", "host", "nonce"}
    assert owner["pid"] == os.getpid()
    assert all(isinstance(owner[key], str) and owner[key] for key in owner if key != "pid")
    assert not path.exists()


def test_a_lock_in_use_is_refused_by_name(path: Path) -> None:
    with held(path), pytest.raises(MachineError) as refused:
        acquire(path, timeout_s=0.1)
    assert refused.value.code == "lock_held"
    assert refused.value.message == f"{path} is held by process {os.getpid()} on {os.uname().nodename}"
    assert refused.value.hint == "Wait for it to end; remove the file only if it has ended"


@pytest.mark.parametrize("changes", [{"boot_id": "earlier"}, {"start_time": "1"}, {"pid": 2**22 + 1}])
def test_the_lock_of_a_dead_owner_is_taken_over(path: Path, changes: dict[str, object]) -> None:
    write_owner(path, **changes)
    write_owner(path.with_name("lock.takeover"), **changes)  # and its taker died over it
    nonce = acquire(path, timeout_s=1)
    assert owner_of(path)["nonce"] == nonce
    release(path, nonce)
    assert list(path.parent.iterdir()) == []


def test_nobody_can_tell_whether_an_owner_elsewhere_is_dead(path: Path) -> None:
    write_owner(path, host="elsewhere", boot_id="another", pid=7)
    with pytest.raises(MachineError, match="is held by process 7 on elsewhere"):
        acquire(path, timeout_s=0.1)


def test_an_unreadable_lock_is_dead_once_it_is_old(path: Path) -> None:
    path.write_text('{"pid": 1')
    with pytest.raises(MachineError, match="is held by nobody one can tell"):
        acquire(path, timeout_s=0.1)
    os.utime(path, (0, 0))
    with held(path, timeout_s=1):
        assert owner_of(path)["pid"] == os.getpid()


def test_a_lock_that_is_no_longer_ours_is_left_alone(path: Path) -> None:
    nonce = acquire(path)
    write_owner(path.with_name("another"))
    path.with_name("another").replace(path)
    release(path, nonce)
    assert path.exists()


def test_without_hard_links(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> NoReturn:
        raise PermissionError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", link)
    with held(path):
        assert owner_of(path)["pid"] == os.getpid()
        with pytest.raises(MachineError):
            acquire(path, timeout_s=0.1)
    assert list(path.parent.iterdir()) == []
