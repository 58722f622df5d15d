"""Fixtures of more than one room."""

import pytest

from capstone_worker.measure import latency


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real measurements without added rounds: beside other tests each would go on for all the time it has."""
    monkeypatch.setattr(latency, "PATIENCE_S", 0.0)
