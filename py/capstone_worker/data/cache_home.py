"""Where caches live: content that can be made again from what the user has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import MachineError
from ..locked import locked
from ..report import Report, ShouldStop


def cache_home() -> Path:
    """`$XDG_CACHE_HOME/capstone`, by default `~/.cache/capstone`.

    A variable that is empty or no absolute path is ignored, as the XDG Base Directory Specification asks.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if os.path.isabs(given) else Path.home() / ".cache"  # noqa: PTH117 - "" is no path
    return base / "capstone"


def made_in_cache(name: str = "") -> Path:
    """The folder of that name in there, or `cache_home` itself, made where it was not.

    Raises:
        MachineError: ``cache_not_written``.
    """
    folder = cache_home() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(folder, "made", error) from error
    return folder


@contextmanager
def locked_in_cache(path: Path, report: Report, should_stop: ShouldStop) -> Iterator[None]:
    """As `locked`, of a path in there.

    Raises:
        Stopped: asked to stop while waiting.
        MachineError: ``cache_not_written``, the lock file cannot be opened.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path, report, should_stop))
        except OSError as error:
            raise _not_written(path, "opened", error) from error
        yield


def _not_written(path: Path, what: str, error: OSError) -> MachineError:
    return MachineError(
        "cache_not_written",
        f"{path}: cannot be {what}: {(error.strerror or str(error)).lower()}",
        "Set XDG_CACHE_HOME to a folder that can be written",
    )
