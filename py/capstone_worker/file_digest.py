"""The digest of a file's bytes, however many. A leaf."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

_BLOCK = 1 << 20


def file_digest(path: Path, algorithm: Literal["md5", "sha256"]) -> str:
    """In lower-case hexadecimal. (hashlib.file_digest needs Python 3.11.)

    Raises:
        OSError: the file cannot be read.
    """
    state = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
    return state.hexdigest()
