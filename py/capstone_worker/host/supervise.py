"""The host's loop: starts tasks, forwards what they say, ends them. One thread, and nothing in it blocks.

A child carries out one task, or several together. It goes through four states: it runs; it is stopping
(signals are due); it is dead and its pipe may still hold something; it has ended, which `ended` says of each
of its tasks, and is forgotten.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE, PollSelector
from typing import Any

from ..errors import MachineError
from ..report import Event
from .child import RunTasks, become_child, carry_out, exit_after, start_afresh
from .commands import CancelTask, StartTasks, parse_command
from .events import MAX_TASK_LINE, HostStream, TaskPipe, parse_task_event
from .frameworks import thread_count
from .lines import MAX_LINE, LineBuffer
from .usage import EVERY_S, UsageMeter

TERM_TO_KILL_S = 2.0
DRAIN_S = 1.0
"""How long a dead task's pipe is read: a grandchild outside the task's group may hold it open for good."""
LEAVE_S = 3.0
"""How long the host, once it is to end, waits for what SIGKILL has not ended and for who does not read."""
BACKLOG_BYTES = 4 * MAX_LINE
"""With more waiting for fd 3, running tasks are not read: they wait in their write, as at any full pipe."""
CHUNK = 1 << 16

CLOSING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HOST_SIGNALS = (signal.SIGCHLD, *CLOSING_SIGNALS)


@dataclass
class _Child:
    tasks: tuple[str, ...]
    """Their ids."""
    pid: int
    """Also its group's."""
    pipe: int
    usage: UsageMeter
    lines: LineBuffer = field(default_factory=lambda: LineBuffer(MAX_TASK_LINE))
    usage_at: float = field(default_factory=lambda: time.monotonic() + EVERY_S)
    """When it is read next, while the child is alive."""
    due: list[tuple[float, signal.Signals]] = field(default_factory=list)
    """Signals to send and when, in order; empty unless the child is stopping."""
    foreign_lines: int = 0
    at_end: bool = False
    """Nobody holds the pipe's other end any more."""
    exit_code: int | None = None
    """As of os.waitstatus_to_exitcode (negative: a signal's number); None while it lives."""
    drained_by: float = math.inf

    @property
    def alive(self) -> bool:
        return self.exit_code is None


class Supervisor:
    """Does what ``stdin`` asks until it ends, a signal asks the host to end, or nobody reads ``stream``."""

    def __init__(self, stdin: int, stream: HostStream, run: RunTasks, *, fork: bool) -> None:
        self._stdin = stdin
        self._stream = stream
        self._run = run
        self._fork = fork
        self._commands = LineBuffer()
        self._children: list[_Child] = []
        self._first = True
        self._leave_by = math.inf
        self._woken, self._wake = os.pipe()

    def serve(self, hello: Event) -> None:
        """Say ``hello``, then serve. Leaves no task behind."""
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in HOST_SIGNALS:
            signal.signal(number, _only_wake)
        try:
            self._stream.emit(hello)
            while self._open or (self._unfinished and time.monotonic() < self._leave_by):
                self._turn()
        except ConnectionError:
            _host_log("nobody reads the events any more")
        finally:
            with suppress(ConnectionError):
                self._stream.flush()
            self._kill_all()  # of what SIGKILL has not ended yet, init takes over the reaping

    @property
    def _open(self) -> bool:
        return self._leave_by == math.inf

    @property
    def _unfinished(self) -> bool:
        return bool(self._children) or self._stream.backlog > 0

    def _turn(self) -> None:
        """Wait for something to do and do it."""
        for act in self._wait():
            act()
        self._stream.flush()
        for child in list(self._children):
            self._send_due(child)
            self._tell_usage(child)
            self._look_after(child)
        self._stream.flush()

    def _wait(self) -> list[Callable[[], None]]:
        """What can be done without blocking. What to wait for is worked out anew each time: never stale."""
        # poll and not epoll: no fd of its own that a fork would copy, and stdin may be a file.
        with PollSelector() as selector:
            selector.register(self._woken, EVENT_READ, self._wake_up)
            if self._open:
                selector.register(self._stdin, EVENT_READ, self._read_commands)
            if self._stream.backlog > 0:
                selector.register(self._stream.fd, EVENT_WRITE, self._stream.flush)
            for child in self._children:
                # The dead are read whatever waits: their time is short, and they hold one pipe's worth.
                if not child.at_end and not (child.alive and self._stream.backlog > BACKLOG_BYTES):
                    selector.register(child.pipe, EVENT_READ, partial(self._read_child, child))
            return [key.data for key, _ in selector.select(self._timeout())]

    def _timeout(self) -> float | None:
        deadlines = [self._leave_by]
        for child in self._children:
            deadlines += [child.drained_by, *(when for when, _ in child.due[:1])]
            deadlines += [child.usage_at] if child.alive else []
        next_one = min(deadlines)
        return None if next_one == math.inf else max(0.0, next_one - time.monotonic())

    def _wake_up(self) -> None:
        if not set(CLOSING_SIGNALS).isdisjoint(os.read(self._woken, CHUNK)):
            self._close()

    def _close(self) -> None:
        self._leave_by = min(self._leave_by, time.monotonic() + LEAVE_S)
        self._kill_all()

    def _kill_all(self) -> None:
        for child in self._children:
            if child.alive:
                _signal_group(child, signal.SIGKILL)

    # commands

    def _read_commands(self) -> None:
        if not self._open:  # closed by a signal a moment ago
            return
        chunk = os.read(self._stdin, CHUNK)
        if not chunk:
            self._close()
            return
        for line in self._commands.feed(chunk):
            try:
                if line is None:
                    raise ValueError(f"longer than {MAX_LINE} bytes")
                command = parse_command(line)
            except ValueError as error:
                self._warn(f"a command was not understood: {error}")
                continue
            match command:
                case StartTasks():
                    self._start(command.tasks)
                case CancelTask():
                    self._cancel(command)

    def _start(self, tasks: list[dict[str, Any]]) -> None:
        ids = [task["id"] for task in tasks]
        running = [task_id for task_id in ids if self._child_of(task_id)]
        for task_id in running:
            self._warn(f"task {task_id} runs already and was not started again")
        if running:
            self._refuse(set(ids) - set(running), "what it was to be carried out with runs already")
            return
        threads = thread_count()
        if threads is not None and threads > 1:
            self._warn(f"the host has {threads} threads before a fork, the task may hang")
        try:
            self._children.append(self._start_process(tasks))
        except OSError as error:  # no memory, no process, no fd: the other tasks go on
            self._refuse(ids, f"no process for the task: {error.strerror}")
        else:
            self._first = False

    def _refuse(self, ids: Iterable[str], message: str) -> None:
        hint = "run fewer tasks at a time"
        failure = {"code": "task_not_started", "message": message, "hint": hint, "traceback": None}
        ended = {"type": "ended", "exit_code": MachineError.exit_code, "signal": None}
        for task_id in ids:
            self._stream.emit({"type": "error", **failure}, task_id)
            self._stream.emit(ended, task_id)

    def _start_process(self, tasks: list[dict[str, Any]]) -> _Child:
        host_pid = os.getpid()
        read_end, write_end = os.pipe()
        # Until the child has let go of the host's handlers, a signal to it would wake the host by the pipe
        # they share, and a SIGTERM meant for the task would look like one meant for the host.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, HOST_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                act = partial(self._in_child, tasks, host_pid, read_end, write_end)
                exit_after(act, write_end, alone=len(tasks) == 1)
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        # Both sides set the group: whoever is first, it exists before anyone signals it.
        with suppress(PermissionError, ProcessLookupError):  # gone on to an exec, or dead: it came first
            os.setpgid(pid, pid)
        spec = tasks[0].get("spec")  # which the host hands on as it is
        meter = UsageMeter(pid, on_gpu=isinstance(spec, dict) and spec.get("device") == "cuda")
        return _Child(tuple(task["id"] for task in tasks), pid, read_end, meter)

    def _in_child(
        self, tasks: list[dict[str, Any]], host_pid: int, read_end: int, write_end: int, pipe: TaskPipe
    ) -> None:
        signal.set_wakeup_fd(-1)
        self._stream.close()
        for fd in (read_end, self._woken, self._wake, *(child.pipe for child in self._children)):
            os.close(fd)
        become_child(tasks, host_pid, HOST_SIGNALS)
        if self._fork:
            carry_out(tasks, pipe, self._run, first=self._first)
        else:
            start_afresh(tasks, write_end, first=self._first)

    def _cancel(self, command: CancelTask) -> None:
        child = self._child_of(command.task_id)
        if child is None or not child.alive:
            _host_log(f"cancel: no task {command.task_id} runs here (any more)")
            return
        _signal_group(child, signal.SIGINT)
        term_at = time.monotonic() + command.grace_s
        due = [(term_at, signal.SIGTERM), (term_at + TERM_TO_KILL_S, signal.SIGKILL)]
        child.due = min(child.due, due) if child.due else due  # asked again: sooner perhaps, later never

    # children

    def _read_child(self, child: _Child) -> None:
        chunk = os.read(child.pipe, CHUNK)
        child.at_end = not chunk
        self._forward(child, child.lines.feed(chunk))

    def _forward(self, child: _Child, lines: list[bytes | None]) -> None:
        for line in lines:
            try:
                if line is None:
                    raise ValueError(f"longer than {MAX_TASK_LINE} bytes, dropped")
                event = parse_task_event(line)
                task_id = _speaker(child, event)
            except ValueError as error:
                child.foreign_lines += 1
                said = (line or b"").decode(errors="replace")
                _host_log(f"task {', '.join(child.tasks)}: foreign line ({error}): {said}")
            else:
                self._stream.emit(event, task_id)

    def _send_due(self, child: _Child) -> None:
        while child.alive and child.due and child.due[0][0] <= time.monotonic():
            _signal_group(child, child.due.pop(0)[1])

    def _tell_usage(self, child: _Child) -> None:
        if not child.alive or time.monotonic() < child.usage_at:
            return
        child.usage_at = time.monotonic() + EVERY_S
        values = child.usage.read()
        # Where events wait already, this one is worth the least.
        if values is not None and self._stream.backlog == 0:
            # Of the process: said of each of its tasks, a sum over tasks would count it again and again.
            self._stream.emit({"type": "usage", **values}, child.tasks[0])

    def _look_after(self, child: _Child) -> None:
        """Take a child on to its next state, where it is time: from alive to dead, from dead to ended."""
        if child.exit_code is None:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid == 0:
                return
            child.exit_code = os.waitstatus_to_exitcode(status)
            child.due.clear()
            child.drained_by = time.monotonic() + DRAIN_S
            # What is left of its group. A group's number is not given out again while it has a member.
            _signal_group(child, signal.SIGKILL)
        if child.at_end or time.monotonic() >= child.drained_by:
            self._end(child, child.exit_code)

    def _end(self, child: _Child, exit_code: int) -> None:
        self._forward(child, child.lines.rest())
        if child.foreign_lines:
            said = f"lines that were no events, now in the host's log: {child.foreign_lines}"
            self._warn(said, child.tasks[0])
        died = exit_code < 0
        ended = {
            "type": "ended",
            "exit_code": None if died else exit_code,
            "signal": _signal_name(-exit_code) if died else None,
        }
        for task_id in child.tasks:
            self._stream.emit(ended, task_id)
        child.usage.close()
        os.close(child.pipe)
        self._children.remove(child)

    def _child_of(self, task_id: str) -> _Child | None:
        return next((child for child in self._children if task_id in child.tasks), None)

    def _warn(self, message: str, task_id: str | None = None) -> None:
        self._stream.emit({"type": "log", "level": "warning", "message": message}, task_id)


def _speaker(child: _Child, event: Event) -> str:
    """Whose event it is. What is not signed is the only task's; of several it would blame the wrong one."""
    task_id: str = event.get("task", child.tasks[0])
    if task_id not in child.tasks or ("task" not in event and len(child.tasks) > 1):
        raise ValueError("of no task of this process")
    return task_id


def _only_wake(*_: object) -> None:
    """A signal handler. That there is one makes Python write the signal's number to the wakeup fd."""


def _signal_group(child: _Child, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody left: on macOS a matter of permission
        os.killpg(child.pid, number)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"SIG{number}"


def _host_log(line: str) -> None:
    with suppress(OSError):  # the disk is full; the tasks may yet end well
        print(line, file=sys.stderr, flush=True)
