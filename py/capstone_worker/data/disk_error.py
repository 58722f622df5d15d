"""What the operating system refused to read, as an error a person can act on; src/store/disk-error.ts too."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import CapstoneError, MachineError, UserError

_REFUSED = {
    errno.ENOENT: "it does not exist",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a file is where a folder is needed",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "its links lead in a circle",
}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError of the block, which reads ``path``, into a UserError or MachineError."""
    try:
        yield
    except OSError as error:
        raise read_failure(path, error) from error


def read_failure(path: Path, error: OSError) -> CapstoneError:
    """What to raise when reading ``path`` failed; for loops over many files, which `reading` slows down."""
    refused = _REFUSED.get(error.errno or 0)
    if refused is not None:
        return UserError(
            "input_not_readable", f"{path} cannot be read: {refused}", "Check its path and permissions"
        )
    return MachineError("read_failed", f"{path} cannot be read: {error.strerror or error}", "Check the disk")
