"""The real host in a process of its own, its fd 3 a socket pair as the orchestrator's is."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from capstone_worker.host.commands import CancelTask, StartTasks, parse_command
from capstone_worker.host.events import TaskPipe
from capstone_worker.host.lines import MAX_LINE, LineBuffer

PY = Path(__file__).parent
MISBEHAVING = PY / "fixtures" / "misbehaving_host.py"
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

Event = dict[str, Any]


class Host:
    """A host that a test steers: what it is told, what it has said."""

    def __init__(self, folder: Path, script: Path = MISBEHAVING, start_tasks: str = "by fork") -> None:
        self.log_path = folder / "host.log"
        self.events: list[Event] = []
        self._folder = folder
        self._groups = 0
        self._torn = b""
        self._ours, theirs = socket.socketpair()
        self._ours.settimeout(60)  # the import of torch takes 2 s, on a busy machine 20 s
        fd = fcntl.fcntl(theirs, fcntl.F_DUPFD, 10)
        with theirs, self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f'exec "$0" -u "$1" 3<&{fd} {fd}<&-', sys.executable, script],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[fd],
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(PY), "START_TASKS": start_tasks},
            )
        os.close(fd)

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def task_log(self, task: str) -> str:
        return (self._folder / f"{task}.log").read_text()

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def start(
        self,
        kind: str,
        task: str | None = None,
        *,
        threads: int = 1,
        log: str | None = None,
        device: str = "cpu",
    ) -> str:
        task = task or kind
        log_path = log or str(self._folder / f"{task}.log")
        spec = {"device": device}
        line = {"id": task, "kind": kind, "log_path": log_path, "threads": threads, "spec": spec}
        self.send(json.dumps({"v": 1, "cmd": "task", "task": line}))
        return task

    def start_together(self, *kinds: str) -> list[str]:
        """Tasks of these kinds in one process; their names."""
        self._groups += 1
        names = [f"{kind}-{place}-in-{self._groups}" for place, kind in enumerate(kinds, 1)]
        tasks = [
            {"id": name, "kind": kind, "log_path": str(self._folder / f"{name}.log"), "threads": 1}
            for name, kind in zip(names, kinds, strict=True)
        ]
        self.send(json.dumps({"v": 1, "cmd": "tasks", "tasks": tasks}))
        return names

    def cancel(self, task: str, grace_s: float) -> None:
        self.send(json.dumps({"v": 1, "cmd": "cancel", "task": task, "grace_s": grace_s}))

    def end_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def read(self) -> bool:
        """Take in what comes next; False at the end."""
        chunk = self._ours.recv(1 << 16)
        *lines, self._torn = (self._torn + chunk).split(b"\n")
        assert all(len(line) <= MAX_LINE for line in lines)
        self.events += [json.loads(line) for line in lines]
        return chunk != b""

    def stop_reading(self) -> None:
        self._ours.close()

    def until(self, wanted: Callable[[Event], bool]) -> Event:
        """The first event that is wanted, said already or still to come."""
        while not (found := [event for event in self.events if wanted(event)]):
            assert self.read(), self.log
        return found[0]

    def reported(self, kind: str, task: str) -> Event:
        return self.until(lambda event: event["type"] == kind and event.get("task") == task)

    def life_of(self, task: str) -> list[Event]:
        """Every event of a task until it has ended, without the envelope and what tells of the machine."""
        self.reported("ended", task)
        return [
            {key: value for key, value in event.items() if key not in ("v", "seq", "ts", "task")}
            for event in self.events
            if event.get("task") == task and event["type"] not in ("capability", "usage")
        ]

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.end_stdin()
        self._ours.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One host for all tests that leave it alive; it has to survive each of them."""
    host = Host(tmp_path_factory.mktemp("host"))
    yield host
    host.end_stdin()
    assert host.process.wait(10) == 0
    while host.read():
        pass
    host.kill()
    assert [event["seq"] for event in host.events] == list(range(1, len(host.events) + 1))
    assert "threads before a fork" not in json.dumps(host.events)


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Hosts that a test may bring to an end."""
    hosts: list[Host] = []

    def make(**options: Any) -> Host:  # noqa: ANN401
        hosts.append(Host(tmp_path, **options))
        return hosts[-1]

    yield make
    for host in hosts:
        host.kill()


def runs(pid: int) -> bool:
    """Whether there is such a process, and not only a zombie that nobody has waited for."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return state.strip() != "" and not state.startswith("Z")


def ends(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not runs(pid)


# The life of a task


def test_hello_comes_first(host: Host) -> None:
    hello = host.until(lambda _: True)
    assert hello.pop("ts").endswith("Z")
    assert set(hello) == {"v", "seq", "type", "protocol", "python", "torch", "torchvision", "numpy", "pid"}
    assert (hello["v"], hello["seq"], hello["type"], hello["protocol"]) == (1, 1, "hello", 1)
    assert hello["pid"] == host.process.pid


WHOLE = {"done": 1, "total": 1, "unit": "steps", "rate": 2.5, "eta_s": 0}


def test_a_task_that_succeeds(host: Host) -> None:
    task = host.start("succeeds")
    started, *rest = host.life_of(task)
    assert started == {"type": "started", "pid": started["pid"], "pgid": started["pid"]}
    result = rest.pop(3)
    assert rest == [
        {"type": "phase", "phase": "train"},
        {"type": "progress", "phase": "train", **WHOLE},
        {"type": "metric", "split": "train", "epoch": 0, "values": {"loss": None, "acc": 12.5}},
        {"type": "done"},
        {"type": "ended", "exit_code": 0, "signal": None},
    ]
    assert host.task_log(task) == "printed\nprinted by a program\n"
    assert result["values"]["stdin"] == ""


@ON_LINUX
def test_a_task_holds_its_own_pipe_and_nothing_of_the_host(host: Host) -> None:
    other = host.start("never_asks", "beside")
    host.reported("started", other)
    task = host.start("succeeds", "fds")
    fds = next(event for event in host.life_of(task) if event["type"] == "result")["values"]["fds"]
    host.cancel(other, 0)
    assert len(fds) == 5, fds  # 0, 1, 2, the pipe, and /dev/fd being listed


def test_the_first_task_reports_the_machine(host: Host) -> None:
    host.life_of(host.start("succeeds", "not-the-first"))
    capability = [event for event in host.events if event["type"] == "capability"]
    assert len(capability) == 1
    assert isinstance(capability[0]["cpu"], str)
    assert isinstance(capability[0]["isa"], list)
    assert isinstance(capability[0]["gpus"], list)


@ON_LINUX
def test_three_tasks_compute_at_once_and_the_host_stays_at_one_thread(host: Host) -> None:
    tasks = [host.start("computes", f"computes-{index}", threads=2) for index in range(3)]
    for task in tasks:
        *_, result, done, ended = host.life_of(task)
        assert result["values"] == {"total": 400.0**3, "threads": 2}
        assert (done["type"], ended["exit_code"]) == ("done", 0)
    assert len(list(Path(f"/proc/{host.process.pid}/task").iterdir())) == 1


# How tasks fail


def test_a_task_that_is_refused(host: Host) -> None:
    error = {
        "type": "error",
        "code": "checkpoint_truncated",
        "message": "a.pth ends after 12 bytes",
        "hint": "train it again",
        "traceback": None,
    }
    life = host.life_of(host.start("is_refused"))
    assert life[1:] == [error, {"type": "ended", "exit_code": 2, "signal": None}]


def test_a_bug_keeps_its_traceback(host: Host) -> None:
    _, error, ended = host.life_of(host.start("has_a_bug"))
    assert (error["code"], error["message"]) == ("internal", "ZeroDivisionError: of ours")
    assert 'raise ZeroDivisionError("of ours")' in error["traceback"]
    assert error["traceback"] == host.task_log("has_a_bug")
    assert ended == {"type": "ended", "exit_code": 1, "signal": None}


def test_a_task_whose_log_cannot_be_opened(host: Host) -> None:
    error, ended = host.life_of(host.start("succeeds", "no-log", log="/nowhere/x.log"))
    assert error["code"] == "log_unwritable"
    assert error["message"] == "/nowhere/x.log: No such file or directory"
    assert ended == {"type": "ended", "exit_code": 3, "signal": None}


def test_a_task_that_leaves_without_a_word_has_no_result(host: Host) -> None:
    _, ended = host.life_of(host.start("leaves_by_itself"))
    assert ended == {"type": "ended", "exit_code": 0, "signal": None}


def test_a_task_killed_from_outside(host: Host) -> None:
    task = host.start("never_asks", "killed")
    os.kill(host.reported("started", task)["pid"], signal.SIGKILL)
    assert host.life_of(task)[1:] == [{"type": "ended", "exit_code": None, "signal": "SIGKILL"}]


# Several tasks in one process


def test_several_tasks_in_one_process_speak_and_end_each_for_itself(host: Host) -> None:
    first, second = host.start_together("succeeds", "speaks_for_itself")
    lives = [host.life_of(first), host.life_of(second)]
    assert lives[0][0] == lives[1][0]  # started, with the same process
    assert [[event["type"] for event in life[1:]] for life in lives] == [
        ["phase", "progress", "metric", "result", "done", "ended"],
        ["progress", "progress", "result", "done", "ended"],
    ]
    assert [event["done"] for event in lives[1] if event["type"] == "progress"] == [0, 2]
    assert all(life[-1] == {"type": "ended", "exit_code": 0, "signal": None} for life in lives)
    first_log = host.task_log(first)
    assert first_log == "printed\nprinted by a program\n"
    assert host.task_log(second).endswith(f"{first}.log\n")


@pytest.mark.parametrize("kind", ["is_refused", "has_a_bug", "tears_a_line"])
def test_where_one_of_several_fails_all_end_and_none_is_blamed(host: Host, kind: str) -> None:
    names = host.start_together("succeeds", kind)
    for name in names:
        types = [event["type"] for event in host.life_of(name)]
        assert types[-1] == "ended"
        assert not {"result", "done", "error"} & set(types)
    if kind == "is_refused":
        assert host.task_log(names[0]).endswith(
            "checkpoint_truncated: a.pth ends after 12 bytes. train it again\n"
        )


def test_several_of_which_one_runs_already_do_not_start(host: Host) -> None:
    running = host.start("stops_when_asked", "runs-already")
    host.reported("started", running)
    tasks = [
        {"id": name, "kind": "succeeds", "log_path": "/nowhere", "threads": 1}
        for name in (running, "beside-it")
    ]
    host.send(json.dumps({"v": 1, "cmd": "tasks", "tasks": tasks}))
    assert [event["type"] for event in host.life_of("beside-it")] == ["error", "ended"]
    host.cancel(running, 30)
    assert [event["type"] for event in host.life_of(running)] == ["started", "ended"]


def test_to_cancel_one_of_several_stops_all(host: Host) -> None:
    names = host.start_together("stops_when_asked", "stops_when_asked")
    host.reported("started", names[1])
    host.cancel(names[1], 30)
    for name in names:
        assert host.life_of(name)[-1] == {"type": "ended", "exit_code": 130, "signal": None}


# What a task leaves and says


def test_a_task_has_ended_as_soon_as_it_is_dead(host: Host) -> None:
    for turn in range(5):
        task = host.start("leaves_by_itself", f"quick-{turn}")
        host.reported("started", task)
        since = time.monotonic()
        host.reported("ended", task)
        assert time.monotonic() - since < 0.9  # a second more would be spent on a pipe that nobody holds


def test_a_grandchild_that_holds_the_pipe_delays_the_end_by_a_second_at_most(host: Host) -> None:
    task = host.start("leaves_a_child")
    host.reported("done", task)
    since = time.monotonic()
    *_, result, _, ended = host.life_of(task)
    assert time.monotonic() - since < 2.5
    assert ended == {"type": "ended", "exit_code": 0, "signal": None}
    assert ends(result["values"]["inside"])
    os.kill(result["values"]["outside"], signal.SIGKILL)


def test_lines_that_are_no_events_go_to_the_hosts_log(host: Host) -> None:
    *_, warning, ended = host.life_of(host.start("tears_a_line"))
    assert warning["message"] == "lines that were no events, now in the host's log: 4"
    assert ended["signal"] == "SIGKILL"
    for line in ("no json", '["no", "object"]', '{"type":"unknown"}', '{"type":"log","le'):
        assert f": {line}\n" in host.log


def test_the_longest_line_passes_and_a_longer_one_is_dropped(host: Host) -> None:
    _, longest, result, done, warning, ended = host.life_of(host.start("speaks_long_lines"))
    assert len(longest["message"]) > MAX_LINE - 2000
    assert (result["type"], done["type"], ended["exit_code"]) == ("result", "done", 0)
    assert warning["message"] == "lines that were no events, now in the host's log: 1"


def test_a_reader_that_stalls_loses_nothing(host: Host) -> None:
    task = host.start("speaks_without_end")
    time.sleep(1)
    said = [event for event in host.life_of(task) if event["type"] == "log"]
    assert [event["message"].strip() for event in said] == [str(step) for step in range(256)]


# Cancelling


def test_a_task_that_takes_its_time_is_told_of(host: Host) -> None:
    task = host.start("takes_its_time")
    usage = host.reported("usage", task)
    assert 10 < usage["cpu_percent"] < 150
    assert usage["memory_bytes"] > 10_000_000
    assert (usage["gpu_percent"], usage["gpu_memory_bytes"]) == (None, None)
    host.cancel(task, 30)
    assert host.life_of(task)[-1] == {"type": "ended", "exit_code": 130, "signal": None}


def test_so_is_the_gpu_of_one_that_computes_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for nvidia-smi, which CI's machines do not have."""
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "73, 1024"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    host = Host(tmp_path)
    try:
        task = host.start("takes_its_time", device="cuda")
        usage = host.until(lambda event: event.get("gpu_percent") is not None)
        assert (usage["task"], usage["gpu_percent"], usage["gpu_memory_bytes"]) == (task, 73, 1024 << 20)
        host.cancel(task, 30)
        assert host.life_of(task)[-1]["exit_code"] == 130
    finally:
        host.kill()


def test_cancel_stops_at_a_safe_point(host: Host) -> None:
    task = host.start("stops_when_asked")
    host.reported("started", task)
    host.cancel(task, 30)
    assert host.life_of(task)[1:] == [{"type": "ended", "exit_code": 130, "signal": None}]


def test_cancel_that_comes_before_the_task_has_begun(host: Host) -> None:
    task = host.start("stops_when_asked", "stopped-at-once")
    host.cancel(task, 30)
    assert host.life_of(task)[1:] == [{"type": "ended", "exit_code": 130, "signal": None}]


def test_cancel_ends_by_sigterm_what_does_not_stop(host: Host) -> None:
    task = host.start("never_asks")
    host.reported("started", task)
    host.cancel(task, 60)
    host.cancel(task, 0.1)
    assert host.life_of(task)[-1] == {"type": "ended", "exit_code": None, "signal": "SIGTERM"}


def test_cancel_ends_by_sigkill_what_ignores_sigterm(host: Host) -> None:
    task = host.start("ignores_every_request")
    host.reported("phase", task)
    since = time.monotonic()
    host.cancel(task, 0.1)
    assert host.life_of(task)[-1] == {"type": "ended", "exit_code": None, "signal": "SIGKILL"}
    assert time.monotonic() - since >= 2.1


def test_cancel_of_an_unknown_task_is_a_line_in_the_log(host: Host) -> None:
    host.cancel("nobody", 1)
    host.life_of(host.start("succeeds", "after-nobody"))
    assert "cancel: no task nobody runs here (any more)\n" in host.log


# Commands


def test_commands_that_are_none_do_no_harm(host: Host) -> None:
    host.send("no json")
    host.send('{"v":1,"cmd":"dance"}')
    running = host.start("stops_when_asked", "once")
    host.start("stops_when_asked", "once")
    message = "task once runs already and was not started again"
    host.until(lambda event: event.get("message") == message)
    host.cancel(running, 30)
    host.life_of(running)
    warnings = [event for event in host.events if event["type"] == "log" and "task" not in event]
    assert [event["message"] for event in warnings[-3:]] == [
        "a command was not understood: Expecting value: line 1 column 1 (char 0)",
        "a command was not understood: cmd: expected task, tasks or cancel",
        message,
    ]


TASK = {"id": "a", "log_path": "/a.log", "threads": 1}


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ({}, "v: expected 1"),
        ({"v": 1}, "cmd: expected task, tasks or cancel"),
        ({"v": 1, "cmd": "cancel"}, "task: expected the id of a task"),
        ({"v": 1, "cmd": "cancel", "task": "a", "grace_s": -1}, "grace_s: expected seconds from 0"),
        ({"v": 1, "cmd": "task", "task": {**TASK, "threads": 0}}, "task.threads: expected an integer from 1"),
        (
            {"v": 1, "cmd": "task", "task": {"id": "a"}},
            "task: expected an object with id, log_path (texts) and threads (an integer)",
        ),
        ({"v": 1, "cmd": "tasks", "tasks": []}, "tasks: expected a list of tasks"),
        ({"v": 1, "cmd": "tasks", "tasks": [TASK, TASK]}, "tasks: expected each task once"),
        (
            {"v": 1, "cmd": "tasks", "tasks": [TASK, {"id": "a"}]},
            "task: expected an object with id, log_path (texts) and threads (an integer)",
        ),
    ],
)
def test_a_command_that_is_none_says_why(command: Event, wrong: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_command(json.dumps(command).encode())
    assert str(refused.value) == wrong


def test_commands() -> None:
    task = {**TASK, "kind": "train"}
    assert parse_command(json.dumps({"v": 1, "cmd": "task", "task": task}).encode()) == StartTasks([task])
    several = [task, {**task, "id": "b"}]
    command = {"v": 1, "cmd": "tasks", "tasks": several}
    assert parse_command(json.dumps(command).encode()) == StartTasks(several)
    assert parse_command(b'{"v":1,"cmd":"cancel","task":"a"}') == CancelTask("a", 10)
    assert parse_command(b'{"v":1,"cmd":"cancel","task":"a","grace_s":2}') == CancelTask("a", 2)


# The end of the host


def test_end_of_stdin_ends_everything(make_host: Callable[..., Host]) -> None:
    host = make_host()
    tasks = [host.start("ignores_every_request", "deaf"), host.start("stops_when_asked", "polite")]
    pids = [host.reported("started", task)["pid"] for task in tasks]
    host.reported("phase", "deaf")
    host.end_stdin()
    assert host.process.wait(5) == 0
    assert [runs(pid) for pid in pids] == [False, False]
    for task in tasks:
        assert host.life_of(task)[-1] == {"type": "ended", "exit_code": None, "signal": "SIGKILL"}


def test_a_reader_that_goes_ends_everything(make_host: Callable[..., Host]) -> None:
    host = make_host()
    pid = host.reported("started", host.start("never_asks"))["pid"]
    host.stop_reading()
    host.start("succeeds")
    assert host.process.wait(5) == 0
    assert ends(pid)
    assert "nobody reads the events any more\n" in host.log


@ON_LINUX
def test_nothing_outlives_a_host_that_is_killed(make_host: Callable[..., Host]) -> None:
    expect_nothing_to_outlive(make_host())


def test_tasks_started_afresh_live_and_die_the_same(make_host: Callable[..., Host]) -> None:
    host = make_host(start_tasks="afresh")
    tasks = [host.start("computes", threads=2), host.start("stops_when_asked")]
    host.cancel("stops_when_asked", 60)
    *_, result, done, ended = host.life_of(tasks[0])
    assert (result["values"]["threads"], done["type"], ended["exit_code"]) == (2, "done", 0)
    assert host.life_of(tasks[1])[1:] == [{"type": "ended", "exit_code": 130, "signal": None}]
    assert "capability" in {event["type"] for event in host.events}
    together = host.start_together("succeeds", "speaks_for_itself")
    for task in together:
        assert host.life_of(task)[-2:] == [
            {"type": "done"},
            {"type": "ended", "exit_code": 0, "signal": None},
        ]
    assert host.reported("started", together[0])["pid"] == host.reported("started", together[1])["pid"]
    if sys.platform == "linux":
        expect_nothing_to_outlive(host)


def expect_nothing_to_outlive(host: Host) -> None:
    task = host.start("waits_with_a_child")
    pids = [host.reported("metric", task)["values"]["pid"], host.reported("started", task)["pid"]]
    assert [runs(pid) for pid in pids] == [True, True]
    host.process.kill()
    assert [ends(pid) for pid in pids] == [True, True]


def test_the_host_itself_answers_and_leaves(make_host: Callable[..., Host]) -> None:
    host = make_host(script=PY / "host.py")
    assert host.until(lambda _: True)["type"] == "hello"
    host.process.terminate()
    assert host.process.wait(5) == 0
    assert host.log == ""


def test_a_host_started_by_hand_says_what_is_missing() -> None:
    command = ["bash", "-c", 'exec "$0" "$1" 3<&-', sys.executable, str(PY / "host.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "host.py is started by capstone: fd 3, where its events go, is not open\n"


# Lines and reports


def test_lines_come_whole_however_they_are_cut() -> None:
    stream = b"one\n\n" + b"x" * 11 + b"\nten bytes.\ntorn"
    for size in range(1, len(stream) + 1):
        buffer = LineBuffer(limit=10)
        chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert [line for chunk in chunks for line in buffer.feed(chunk)] == [b"one", b"", None, b"ten bytes."]
        assert buffer.rest() == [b"torn"]


def test_progress_is_thinned_at_its_source() -> None:
    now = 0.0
    read_end, write_end = os.pipe()
    report = TaskPipe(write_end, clock=lambda: now)
    for step in range(100):  # 30 ms each: every fourth is 100 ms after the last one sent
        now = step * 0.03
        report({"type": "progress", "phase": "train", "done": step, "total": 98})
    report({"type": "progress", "phase": "evaluate", "done": 1, "total": 3})
    report({"type": "progress", "phase": "evaluate", "done": 2, "total": 3})
    report({"type": "done"})
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        events = [json.loads(line) for line in pipe]
    train = [event["done"] for event in events if event.get("phase") == "train"]
    assert train == [*range(0, 97, 4), 98, 99]  # 98 at once, for it is the total; 99 before the next phase
    assert [event.get("done") for event in events[len(train) :]] == [1, 2, None]
