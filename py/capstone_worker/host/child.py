"""The other side of the fork: from a copy of the host to a task, or several, through them, and out.

In two halves, because not every system lets a forked process go on: `become_child` sets up the process and
survives an exec, `carry_out` does the work. On Linux one follows the other; on macOS, whose frameworks break
in a forked child, an exec of the same script lies between them (`start_afresh`, then `serve.main`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from ..death_signal import die_with_parent
from ..errors import CapstoneError, MachineError, Stopped
from ..report import Report, ShouldStop
from .events import TaskPipe

RunTasks = Callable[[Sequence[dict[str, Any]], Sequence[Report], ShouldStop], list[dict[str, Any]]]
"""run(tasks, their reports, should_stop) -> the values of each one's `result`, in their order; raises Stopped
when it stopped as asked."""

EXIT_STOPPED = 130
EXIT_OURS = 1
AFRESH = "--task"


def become_child(tasks: list[dict[str, Any]], host_pid: int, host_signals: Iterable[signal.Signals]) -> None:
    """Make this fork of the host a process of its own: group, death signal, signals, log (the first task's).

    ``host_signals`` are those the host handles. They came here blocked, so none was taken for the host's;
    SIGINT stays blocked until `carry_out` can heed it. Raises MachineError where the log cannot be opened.
    """
    os.setpgid(0, 0)
    die_with_parent(host_pid)
    for number in host_signals:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGINT})
    log_path, *others = (task["log_path"] for task in tasks)
    _redirect(log_path)
    for other in others:
        log = _open_log(other)
        os.write(log, f"carried out together with others: see {log_path}\n".encode())
        os.close(log)


def carry_out(tasks: list[dict[str, Any]], pipe: TaskPipe, run: RunTasks, *, first: bool) -> None:
    """Run the tasks, report each from `started` to `done`; the ``first`` process reports `capability` too."""
    stop = _StopFlag()
    signal.signal(signal.SIGINT, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _set_threads(tasks[0]["threads"])
    reports = [pipe] if len(tasks) == 1 else [TaskPipe(pipe.fd, task["id"]) for task in tasks]
    for tell in reports:
        tell({"type": "started", "pid": os.getpid(), "pgid": os.getpgrp()})
    if first:
        reports[0]({"type": "capability", **_capability()})
    found = run(tasks, reports, stop)
    for tell, values in zip(reports, found, strict=True):
        tell({"type": "result", "values": values})
        tell({"type": "done"})


def start_afresh(tasks: list[dict[str, Any]], pipe: int, *, first: bool) -> NoReturn:
    """Replace this process by a new interpreter, in which the host's script goes on with `carry_out`."""
    os.set_inheritable(pipe, True)
    handed_on = json.dumps({"tasks": tasks, "pipe": pipe, "first": first})
    os.execv(sys.executable, [sys.executable, "-u", sys.argv[0], AFRESH, handed_on])


def exit_after(act: Callable[[TaskPipe], None], pipe: int, *, alone: bool) -> NoReturn:
    """Do ``act``, report how it failed where it failed, and end this process, whatever happens.

    Of several tasks, not ``alone``, none is blamed: nobody knows whose fault it was until each runs alone.

    Exit codes: 0; 130 stopped as asked; the error's own; 1 for a fault of ours, whose traceback also goes to
    the task's log. Leaves by os._exit: the cleanup of a copied interpreter is the host's to do.
    """
    report = TaskPipe(pipe)
    code = EXIT_OURS
    try:
        act(report)
        code = 0
    except Stopped:
        code = EXIT_STOPPED
    except CapstoneError as error:
        code = error.exit_code
        if alone:
            report(_error(error.code, error.message, error.hint, None))
        else:
            print(f"together they failed: {error.code}: {error.message}. {error.hint}", file=sys.stderr)
    except BaseException as error:  # SystemExit and MemoryError too: none may unwind into the host's loop
        traceback.print_exc()
        if alone:
            message = f"{type(error).__name__}: {error}"
            report(_error("internal", message, "", traceback.format_exc()))
    finally:
        # A full disk must not keep the process alive, nor change how it ended.
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


class _StopFlag:
    """Set by SIGINT, asked by the task where it can stop."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self, *_: object) -> None:
        self._is_set = True

    def __call__(self) -> bool:
        return self._is_set


def _redirect(log_path: str) -> None:
    null, log = os.open(os.devnull, os.O_RDONLY), _open_log(log_path)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)


def _open_log(log_path: str) -> int:
    try:
        return os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        raise MachineError("log_unwritable", f"{log_path}: {error.strerror}") from error


def _set_threads(threads: int) -> None:
    # The variables are for the processes a task starts, and for libraries it has yet to import.
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)


def _capability() -> dict[str, Any]:
    from ..measure.cpu import cpu_model, isa_flags

    return {"cpu": cpu_model(), "isa": isa_flags(), "gpus": _gpus()}


def _gpus() -> list[str]:
    import torch

    try:
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    except Exception:  # a broken driver fails in its own ways, and a task for the CPU goes on without
        traceback.print_exc()
        return []


def _error(code: str, message: str, hint: str, trace: str | None) -> dict[str, Any]:
    return {"type": "error", "code": code, "message": message, "hint": hint, "traceback": trace}
