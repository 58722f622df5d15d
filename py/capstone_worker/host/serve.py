"""main() of the host's script, which is started twice where a task cannot simply be forked."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .child import AFRESH, RunTasks, carry_out, exit_after
from .events import HostStream
from .frameworks import import_frameworks, versions
from .supervise import Supervisor

STDIN, EVENTS = 0, 3


def main(
    run: RunTasks, prepare: Callable[[], None] = lambda: None, *, fork: bool = sys.platform != "darwin"
) -> None:
    """Be the host until stdin ends; ``run`` carries out a task, or several together, in a process of its own.

    ``prepare``: imports, once for all forks, what tasks need; it must neither compute nor start a thread.
    ``fork``: a task goes on in the host's fork. Otherwise in a new interpreter: slower by the import of
    torch, but macOS's frameworks may crash in a forked child.
    """
    if sys.argv[1:2] == [AFRESH]:
        _task_afresh(run)
    try:
        stream = HostStream(EVENTS)
    except OSError:
        sys.exit("host.py is started by capstone: fd 3, where its events go, is not open")
    with _kept_for_good():
        import_frameworks()
        if fork:
            prepare()
    hello = {"type": "hello", "protocol": 1, **versions(), "pid": os.getpid()}
    Supervisor(STDIN, stream, run, fork=fork).serve(hello)
    os._exit(0)  # to take torch apart takes a second, and leaves nothing that the system does not free


@contextmanager
def _kept_for_good() -> Iterator[None]:
    """What is made meanwhile is no garbage: none is looked for now, and no fork looks there again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _task_afresh(run: RunTasks) -> None:
    """The second half of `start_afresh`."""
    handed_on = json.loads(sys.argv[2])
    pipe = handed_on["pipe"]
    os.set_inheritable(pipe, False)
    tasks = handed_on["tasks"]
    exit_after(lambda own: carry_out(tasks, own, run, first=handed_on["first"]), pipe, alone=len(tasks) == 1)
