"""What can go wrong, and whose it is.

Three kinds, as in src/errors: the user's (bad input: refused before any work), the machine's (no room, no
memory, a missing package) and ours (anything else, which keeps its traceback).
"""

from __future__ import annotations


class CapstoneError(Exception):
    """An error with a permanent name, what happened, and what to do next.

    Args:
        code: permanent name in snake_case, for example ``checkpoint_truncated``.
        message: what happened and where, one sentence, without a trailing full stop.
        hint: what to do next; empty when there is nothing to say.
    """

    exit_code = 1

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class UserError(CapstoneError):
    """The input is at fault: a spec, a flag, a file the user named."""

    exit_code = 2


class MachineError(CapstoneError):
    """The machine is at fault: a full disk, no memory, a missing package."""

    exit_code = 3


class Stopped(Exception):
    """The task was asked to stop and has reached a safe point; what it had done is saved."""
