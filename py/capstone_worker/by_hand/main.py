"""One script from its arguments to its exit code.

Only the standard library is imported here: a Python without our packages should say what to do about it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import CapstoneError, MachineError, Stopped
from .visible import visible

EXIT_CANCELLED = 130


def main(kind: str, usage: str) -> int:
    """Run the script of that kind of job with the arguments of this process; its exit code.

    Args:
        kind: ``train``, ``compress`` or ``benchmark``.
        usage: the script's docstring.
    """
    try:
        from .arguments import parse

        arguments = parse(kind, usage, sys.argv[1:])
        from .act import act

        act(arguments, Path.cwd())
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(__package__.partition(".")[0]):
            raise
        return _refuse(
            MachineError(
                "environment_missing",
                f"{sys.executable} has no module {error.name}",
                "Run `capstone setup`, then use .venv/bin/python",
            )
        )
    except CapstoneError as error:
        return _refuse(error)
    except Stopped:
        goes_on = "; the same command goes on from here" if kind == "train" else ""
        print(f"stopped{goes_on}", file=sys.stderr)
        return EXIT_CANCELLED
    except KeyboardInterrupt:
        return EXIT_CANCELLED
    return 0


def _refuse(error: CapstoneError) -> int:
    hint = f"  {error.hint}\n" if error.hint else ""
    sys.stderr.write(visible(f"error: {error.message}\n{hint}"))
    return error.exit_code
