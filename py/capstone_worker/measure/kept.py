"""What was measured once, kept for all who ask again: ``<cache_home>/<kind>/<digest of the key>``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

from ..artifact.write import write_atomic
from ..data.cache_home import locked_in_cache, made_in_cache
from ..report import Report, ShouldStop

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


def kept(
    kind: str,
    key: DataclassInstance,
    compute: Callable[[], T],
    encode: Callable[[T], bytes | None],
    decode: Callable[[bytes], T],
    report: Report,
    should_stop: ShouldStop,
) -> T:
    """The value of that key: the one that is kept, else the computed one, which is kept from now on.

    Of several processes that want the same value one computes and the others wait.

    Args:
        kind: folder of the cache.
        key: everything that can change the value; its fields are JSON.
        compute: makes the value.
        encode: the value as bytes; None: not worth keeping.
        decode: the opposite; ValueError, KeyError or TypeError where the bytes are damaged.
        report: told the phase ``wait`` where another process computes it.
        should_stop: asked meanwhile.

    Raises:
        Stopped: asked to stop while waiting.
        MachineError: ``cache_not_written``.
        UserError, MachineError: as `artifact.write.write_atomic`; and whatever ``compute`` raises.
    """
    digest = hashlib.sha256(json.dumps(asdict(key), sort_keys=True).encode()).hexdigest()
    path = made_in_cache(kind) / digest
    with locked_in_cache(path.with_name(f"{digest}.lock"), report, should_stop):
        try:
            return decode(path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            pass  # not there, or damaged: made again
        computed = compute()
        encoded = encode(computed)
        if encoded is not None:
            write_atomic(path, encoded)
        return computed
