"""Bytes → lines: a torn one waits for its rest, an endless one takes no memory, no line breaks anything."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_LINE = 1 << 20
"""Bytes of the longest line of protocol 1, its newline not counted."""


class LineBuffer:
    """Cuts a stream of bytes into lines of at most ``limit`` bytes."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._torn = b""
        self._too_long = False

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """The lines that ``chunk`` completes, without newlines; None for each that was too long to keep."""
        *complete, self._torn = (self._torn + chunk).split(b"\n")
        lines: list[bytes | None] = []
        for line in complete:
            lines.append(None if self._too_long or len(line) > self._limit else line)
            self._too_long = False
        if len(self._torn) > self._limit:
            self._too_long, self._torn = True, b""
        return lines

    def rest(self) -> list[bytes | None]:
        """The line that never ended, once no more can come; empty where the stream ended well."""
        if self._too_long:
            return [None]
        return [self._torn] if self._torn else []


def parse_object(line: bytes) -> dict[str, Any]:
    """The JSON object in a line. Raises ValueError for anything else, NaN and Infinity included."""
    try:
        value = json.loads(line, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
