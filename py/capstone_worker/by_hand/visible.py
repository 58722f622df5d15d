"""Text that may hold names from outside, safe on a terminal, as src/errors/visible.ts makes it."""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(
    r"(?!\n)[\x00-\x1f\x7f-\x9f\ud800-\udfff"
    r"\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def visible(text: str) -> str:
    """The text with what would move the cursor, colour it or turn its direction as `\\x1b`; lines stay."""
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
