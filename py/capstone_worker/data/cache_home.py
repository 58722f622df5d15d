"""Where caches live: content that can be made again from what the user has."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """`$XDG_CACHE_HOME/capstone`, by default `~/.cache/capstone`.

    A variable that is empty or no absolute path is ignored, as the XDG Base Directory Specification asks.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if os.path.isabs(given) else Path.home() / ".cache"  # noqa: PTH117 - "" is no path
    return base / "capstone"
