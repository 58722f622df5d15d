"""Words of made-up states, and the real state of this machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from capstone_worker.measure import disturbance
from capstone_worker.measure.disturbance import State, disturbances, read_state, throttled_s

QUIET = State(load=0.5, throttled_s=3.0, governors=frozenset())


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (QUIET, QUIET, []),
        (replace(QUIET, load=2.9), QUIET, []),
        (replace(QUIET, load=3.0), QUIET, ["load average 3.0 on 2 CPUs"]),
        (QUIET, replace(QUIET, throttled_s=3.4), ["the container's CPU limit stopped it for 0.40 s"]),
        (QUIET, replace(QUIET, governors=frozenset({"performance"})), []),
        (
            QUIET,
            replace(QUIET, governors=frozenset({"powersave", "ondemand"})),
            ["CPU governor ondemand, powersave"],
        ),
    ],
)
def test_words(before: State, after: State, words: list[str]) -> None:
    assert disturbances(before, after, cpus=2) == words


def test_throttled() -> None:
    text = "usage_usec 9\nnr_periods 4\nnr_throttled 2\nthrottled_usec 1500000\n"
    assert throttled_s(text) == 1.5
    assert throttled_s("usage_usec 9\n") == throttled_s("") == 0


def test_this_machine() -> None:
    state = read_state()
    assert state.load >= 0
    assert state.throttled_s >= 0


def test_a_governor_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a CPU that is switched off, which answers that it is busy; here it is a folder."""
    monkeypatch.setattr(disturbance, "_CPUS", tmp_path)
    (tmp_path / "cpu0" / "cpufreq" / "scaling_governor").mkdir(parents=True)
    other = tmp_path / "cpu1" / "cpufreq"
    other.mkdir(parents=True)
    (other / "scaling_governor").write_text("powersave\n")
    assert read_state().governors == {"powersave"}


@pytest.mark.parametrize(
    ("driver", "governors"),
    [
        ("acpi-cpufreq", {"powersave"}),
        ("intel_cpufreq", {"powersave"}),
        ("intel_pstate", set()),
        ("amd-pstate-epp", set()),
    ],
)
def test_powersave_of_drivers_that_leave_the_clock_to_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, governors: set[str]
) -> None:
    monkeypatch.setattr(disturbance, "_CPUS", tmp_path)
    cpufreq = tmp_path / "cpu0" / "cpufreq"
    cpufreq.mkdir(parents=True)
    (cpufreq / "scaling_governor").write_text("powersave\n")
    (cpufreq / "scaling_driver").write_text(f"{driver}\n")
    assert read_state().governors == governors
