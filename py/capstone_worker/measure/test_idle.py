"""With real threads: what computes is waited for, and what sleeps is not."""

import hashlib
import threading
import time
from collections.abc import Iterator

import pytest
import torch

from capstone_worker.measure.idle import running_threads, wait_until_idle


@pytest.fixture
def computing() -> Iterator[threading.Event]:
    """Until the event is set a thread computes, without the interpreter's lock."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            hashlib.pbkdf2_hmac("sha256", b"a", b"b", 1000)

    thread = threading.Thread(target=compute)
    thread.start()
    yield stop
    stop.set()
    thread.join()


def test_waits_while_a_thread_computes(computing: threading.Event) -> None:
    threading.Timer(0.03, computing.set).start()
    started = time.monotonic()
    wait_until_idle()
    assert 0.02 < time.monotonic() - started < 0.1
    assert running_threads() == 0


@pytest.mark.usefixtures("computing")
def test_gives_up_on_one_that_does_not_stop() -> None:
    started = time.monotonic()
    wait_until_idle()
    assert time.monotonic() - started >= 0.1
    assert running_threads() == 1


def test_threads_that_sleep_are_not_waited_for() -> None:
    wake = threading.Event()
    thread = threading.Thread(target=wake.wait)
    thread.start()
    wait_until_idle()
    assert running_threads() == 0
    wake.set()
    thread.join()


def test_after_torch() -> None:
    """Its pool spins for a few milliseconds after a call; afterwards it sleeps."""
    batch, layer = torch.randn(64, 64, 16, 16), torch.nn.Conv2d(64, 64, 3)
    with torch.inference_mode():
        layer(batch)
    wait_until_idle()
    assert running_threads() == 0
