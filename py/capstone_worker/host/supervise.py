"""The host's loop: starts tasks, forwards what they say, ends them. One thread, and nothing in it blocks.

A task goes through four states: it runs; it is stopping (signals are due); it is dead and its pipe may still
hold something; it has ended, which `ended` says, and is forgotten.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE, PollSelector

from ..errors import MachineError
from ..report import Event, Report
from .child import RunTask, become_task, carry_out, exit_after, start_afresh
from .commands import CancelTask, StartTask, parse_command
from .events import MAX_TASK_LINE, HostStream, parse_task_event
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
class _Task:
    id: str
    pid: int
    """Also its group's."""
    pipe: int
    usage: UsageMeter
    lines: LineBuffer = field(default_factory=lambda: LineBuffer(MAX_TASK_LINE))
    usage_at: float = field(default_factory=lambda: time.monotonic() + EVERY_S)
    """When it is read next, while the task is alive."""
    due: list[tuple[float, signal.Signals]] = field(default_factory=list)
    """Signals to send and when, in order; empty unless the task is stopping."""
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

    def __init__(self, stdin: int, stream: HostStream, run: RunTask, *, fork: bool) -> None:
        self._stdin = stdin
        self._stream = stream
        self._run = run
        self._fork = fork
        self._commands = LineBuffer()
        self._tasks: dict[str, _Task] = {}
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
            self._kill_all()  # of what SIGKILL has not ended yet, init takes over the reaping

    @property
    def _open(self) -> bool:
        return self._leave_by == math.inf

    @property
    def _unfinished(self) -> bool:
        return bool(self._tasks) or self._stream.backlog > 0

    def _turn(self) -> None:
        """Wait for something to do and do it."""
        for act in self._wait():
            act()
        for task in list(self._tasks.values()):
            self._send_due(task)
            self._tell_usage(task)
            self._look_after(task)

    def _wait(self) -> list[Callable[[], None]]:
        """What can be done without blocking. What to wait for is worked out anew each time: never stale."""
        # poll and not epoll: no fd of its own that a fork would copy, and stdin may be a file.
        with PollSelector() as selector:
            selector.register(self._woken, EVENT_READ, self._wake_up)
            if self._open:
                selector.register(self._stdin, EVENT_READ, self._read_commands)
            if self._stream.backlog > 0:
                selector.register(self._stream.fd, EVENT_WRITE, self._stream.flush)
            for task in self._tasks.values():
                # The dead are read whatever waits: their time is short, and they hold one pipe's worth.
                if not task.at_end and not (task.alive and self._stream.backlog > BACKLOG_BYTES):
                    selector.register(task.pipe, EVENT_READ, partial(self._read_task, task))
            return [key.data for key, _ in selector.select(self._timeout())]

    def _timeout(self) -> float | None:
        deadlines = [self._leave_by]
        for task in self._tasks.values():
            deadlines += [task.drained_by, *(when for when, _ in task.due[:1])]
            deadlines += [task.usage_at] if task.alive else []
        next_one = min(deadlines)
        return None if next_one == math.inf else max(0.0, next_one - time.monotonic())

    def _wake_up(self) -> None:
        if not set(CLOSING_SIGNALS).isdisjoint(os.read(self._woken, CHUNK)):
            self._close()

    def _close(self) -> None:
        self._leave_by = min(self._leave_by, time.monotonic() + LEAVE_S)
        self._kill_all()

    def _kill_all(self) -> None:
        for task in self._tasks.values():
            if task.alive:
                _signal_group(task, signal.SIGKILL)

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
                case StartTask():
                    self._start(command)
                case CancelTask():
                    self._cancel(command)

    def _start(self, command: StartTask) -> None:
        task_id = command.task["id"]
        if task_id in self._tasks:
            self._warn(f"task {task_id} runs already and was not started again")
            return
        threads = thread_count()
        if threads is not None and threads > 1:
            self._warn(f"the host has {threads} threads before a fork, the task may hang")
        try:
            self._tasks[task_id] = self._start_process(command)
        except OSError as error:  # no memory, no process, no fd: the other tasks go on
            hint = "run fewer tasks at a time"
            message = f"no process for the task: {error.strerror}"
            failure = {"code": "task_not_started", "message": message, "hint": hint, "traceback": None}
            self._stream.emit({"type": "error", **failure}, task_id)
            self._stream.emit({"type": "ended", "exit_code": MachineError.exit_code, "signal": None}, task_id)
        else:
            self._first = False

    def _start_process(self, command: StartTask) -> _Task:
        host_pid = os.getpid()
        read_end, write_end = os.pipe()
        # Until the child has let go of the host's handlers, a signal to it would wake the host by the pipe
        # they share, and a SIGTERM meant for the task would look like one meant for the host.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, HOST_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                exit_after(partial(self._in_child, command, host_pid, read_end, write_end), write_end)
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        # Both sides set the group: whoever is first, it exists before anyone signals it.
        with suppress(PermissionError, ProcessLookupError):  # gone on to an exec, or dead: it came first
            os.setpgid(pid, pid)
        meter = UsageMeter(pid, on_gpu=command.task.get("device") == "cuda")
        return _Task(command.task["id"], pid, read_end, meter)

    def _in_child(
        self, command: StartTask, host_pid: int, read_end: int, write_end: int, report: Report
    ) -> None:
        signal.set_wakeup_fd(-1)
        self._stream.close()
        for fd in (read_end, self._woken, self._wake, *(task.pipe for task in self._tasks.values())):
            os.close(fd)
        become_task(command.task, host_pid, HOST_SIGNALS)
        if self._fork:
            carry_out(command.task, report, self._run, first=self._first)
        else:
            start_afresh(command.task, write_end, first=self._first)

    def _cancel(self, command: CancelTask) -> None:
        task = self._tasks.get(command.task_id)
        if task is None or not task.alive:
            _host_log(f"cancel: no task {command.task_id} runs here (any more)")
            return
        _signal_group(task, signal.SIGINT)
        term_at = time.monotonic() + command.grace_s
        due = [(term_at, signal.SIGTERM), (term_at + TERM_TO_KILL_S, signal.SIGKILL)]
        task.due = min(task.due, due) if task.due else due  # asked again: sooner perhaps, later never

    # tasks

    def _read_task(self, task: _Task) -> None:
        chunk = os.read(task.pipe, CHUNK)
        task.at_end = not chunk
        self._forward(task, task.lines.feed(chunk))

    def _forward(self, task: _Task, lines: list[bytes | None]) -> None:
        for line in lines:
            try:
                if line is None:
                    raise ValueError(f"longer than {MAX_TASK_LINE} bytes, dropped")
                event = parse_task_event(line)
            except ValueError as error:
                task.foreign_lines += 1
                _host_log(f"task {task.id}: foreign line ({error}): {(line or b'').decode(errors='replace')}")
            else:
                self._stream.emit(event, task.id)

    def _send_due(self, task: _Task) -> None:
        while task.alive and task.due and task.due[0][0] <= time.monotonic():
            _signal_group(task, task.due.pop(0)[1])

    def _tell_usage(self, task: _Task) -> None:
        if not task.alive or time.monotonic() < task.usage_at:
            return
        task.usage_at = time.monotonic() + EVERY_S
        values = task.usage.read()
        # Where events wait already, this one is worth the least.
        if values is not None and self._stream.backlog == 0:
            self._stream.emit({"type": "usage", **values}, task.id)

    def _look_after(self, task: _Task) -> None:
        """Take a task on to its next state, where it is time: from alive to dead, from dead to ended."""
        if task.exit_code is None:
            pid, status = os.waitpid(task.pid, os.WNOHANG)
            if pid == 0:
                return
            task.exit_code = os.waitstatus_to_exitcode(status)
            task.due.clear()
            task.drained_by = time.monotonic() + DRAIN_S
            # What is left of its group. A group's number is not given out again while it has a member.
            _signal_group(task, signal.SIGKILL)
        if task.at_end or time.monotonic() >= task.drained_by:
            self._end(task, task.exit_code)

    def _end(self, task: _Task, exit_code: int) -> None:
        self._forward(task, task.lines.rest())
        if task.foreign_lines:
            self._warn(f"lines that were no events, now in the host's log: {task.foreign_lines}", task.id)
        died = exit_code < 0
        self._stream.emit(
            {
                "type": "ended",
                "exit_code": None if died else exit_code,
                "signal": _signal_name(-exit_code) if died else None,
            },
            task.id,
        )
        task.usage.close()
        os.close(task.pipe)
        del self._tasks[task.id]

    def _warn(self, message: str, task_id: str | None = None) -> None:
        self._stream.emit({"type": "log", "level": "warning", "message": message}, task_id)


def _only_wake(*_: object) -> None:
    """A signal handler. That there is one makes Python write the signal's number to the wakeup fd."""


def _signal_group(task: _Task, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody left: on macOS a matter of permission
        os.killpg(task.pid, number)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"SIG{number}"


def _host_log(line: str) -> None:
    with suppress(OSError):  # the disk is full; the tasks may yet end well
        print(line, file=sys.stderr, flush=True)
