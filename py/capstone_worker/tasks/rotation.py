"""Models and forms of their original, timed in turns: what a row says of them beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from ..measure.best_original import EAGER
from ..measure.latency import Timed, alternate
from ..report import ShouldStop
from ..runtimes.runtime import Prepared
from .figures import Columns


@dataclass(frozen=True)
class Rotation:
    """Models timed in turns with forms of their original.

    Attributes:
        timed: all of them by name.
        forms: of each form its name in there: its own, or that of the model that it is.
    """

    timed: Timed
    forms: Mapping[str, str]

    @property
    def eager(self) -> str:
        """The name of torch eager float32."""
        return self.forms[EAGER]

    def best(self, loses_nothing: Callable[[str], bool]) -> str:
        """The form that is the fastest without loss; those are asked that are faster."""
        speedups = {form: self.timed.ratio(self.eager, name).point for form, name in self.forms.items()}
        return next(filter(loses_nothing, sorted(speedups, key=lambda form: -speedups[form])))

    def original(self, best: str) -> Columns:
        """Torch eager float32, and where the original is fastest."""
        return {
            "eager_latency_ms": self.timed.latency(self.eager).p50_ms,
            "best_original_runtime": best,
            "best_original_latency_ms": self.timed.latency(self.forms[best]).p50_ms,
        }

    def noise(self, best: str, **models: str) -> str | None:
        """What disturbed these models, each called by its keyword, or the original where it is fastest."""
        at_best = {} if self.forms[best] in models.values() else {"best_original": self.forms[best]}
        return self.timed.between(**models, **at_best).noise


def timed_beside(
    models: Mapping[str, Prepared], forms: Mapping[str, Prepared], batch: Tensor, should_stop: ShouldStop
) -> Rotation:
    """Time models and forms of their original, EAGER among them, in one rotation.

    Raises:
        Stopped: asked to stop.
    """
    names = {
        form: next((name for name, model in models.items() if model is ready), form)
        for form, ready in forms.items()
    }
    prepared = {**models, **{names[form]: ready for form, ready in forms.items()}}
    timed = alternate(
        {name: partial(ready.forward, batch) for name, ready in prepared.items()},
        pairs=[("original", name) for name in models if "original" in models and name != "original"],
        should_stop=should_stop,
        pools={name: ready.pool or name for name, ready in prepared.items()},
    )
    return Rotation(timed, names)
