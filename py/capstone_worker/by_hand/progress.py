"""What a task reports, for a person at stderr: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from tqdm import tqdm

from ..report import Event, Report


@contextmanager
def drawn_progress(stream: TextIO) -> Iterator[Report]:
    """A report that draws; at the end the terminal is left on a line of its own."""
    progress = _Progress(stream)
    try:
        yield progress
    finally:
        progress.close()


class _Progress:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._bar: tqdm[Any] | None = None
        self._phases: set[str] = set()

    def __call__(self, event: Event) -> None:
        match event["type"]:
            case "phase":
                self._begin(event["phase"])
            case "progress" if self._is_terminal:
                self._advance(event)
            case "metric":
                values = ", ".join(f"{name} {value:.4g}" for name, value in event["values"].items())
                self._line(f"epoch {event['epoch']}, {event['split']}: {values}")
            case "log":
                self._line(f"{event['level']}: {event['message']}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _begin(self, phase: str) -> None:
        self.close()
        if not self._is_terminal and phase not in self._phases:  # each epoch begins them anew
            self._phases.add(phase)
            self._line(phase)

    def _advance(self, event: Event) -> None:
        if self._bar is None:
            self._bar = tqdm(
                desc=event["phase"],
                initial=event["done"],  # of a training that goes on
                total=event["total"],
                unit="B" if event["unit"] == "bytes" else f" {event['unit']}",
                unit_scale=event["unit"] == "bytes",
                file=self._stream,
                leave=False,
                dynamic_ncols=True,
            )
        self._bar.update(event["done"] - self._bar.n)

    def _line(self, text: str) -> None:
        tqdm.write(text, file=self._stream)
