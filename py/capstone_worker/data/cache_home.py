"""Where caches live: content that can be made again from what the user has."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import MachineError


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
        raise MachineError(
            "cache_not_written",
            f"{folder}: cannot be made: {(error.strerror or str(error)).lower()}",
            "Set XDG_CACHE_HOME to a folder that can be written",
        ) from error
    return folder
