"""A process that dies with its parent, however the parent dies. A leaf."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel send this process SIGKILL when the process ``parent_pid`` ends.

    The host calls it in each task. The signal does not pass on to a task's own children: a program that a
    task starts calls this first of all, with the pid that the task hands to it. Strictly it is the death of
    the *thread* that started the process which counts, so start processes from one that lasts (the main one).

    It survives exec. Linux only; elsewhere this does nothing, and a task ends at its next event instead, when
    its pipe has no reader.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:  # it died before the line above: that death sends nothing
        os.kill(os.getpid(), signal.SIGKILL)
