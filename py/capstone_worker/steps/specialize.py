"""The step `specialize`: what costs nothing, at the one image size that the model is for.

Batch norm is folded into the convolution before it (Jacob et al. 2017, arXiv 1712.05877, section 3.2). Taps
of kernels that only ever meet padding are cut away: on a map of 1x1 a 3x3 kernel multiplies with its centre
alone. Channels that are constant or not read are removed. The function stays, up to the order of summation.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

from torch import fx

from ..measure.counts import parameter_counts
from ..report import Report
from ..training.reached_taps import cut_to, reached_taps
from .base import Applied, Context
from .fold_batch_norm import fold_batch_norms
from .idle_channels import remove_idle_channels


@dataclass(frozen=True)
class Specialize:
    """Has no settings."""

    name: ClassVar[str] = "specialize"

    def apply(self, network: fx.GraphModule, context: Context, report: Report) -> Applied:
        """The same function in fewer weights; the record tells how many of what it found.

        ``folded``: batch norms; ``cut``: convolutions with fewer taps; ``channels``: removed;
        ``weights_removed``: by all of it.
        """
        special = copy.deepcopy(network).eval()
        before = parameter_counts(special).params
        folded = fold_batch_norms(special)
        cut = _cut_taps(special, context.image_size)
        channels = remove_idle_channels(special)  # of a layer without padding any constant can go
        record = {
            "step": self.name,
            "folded": folded,
            "cut": cut,
            "channels": channels,
            "weights_removed": before - parameter_counts(special).params,
        }
        return Applied(special, record)


def _cut_taps(network: fx.GraphModule, image_size: int) -> int:
    """Cut, in place, the taps that meet padding alone; of how many convolutions."""
    found = reached_taps(network, image_size)
    for name, reached in found.items():
        cut_to(network.get_submodule(name), reached)  # type: ignore[arg-type]  # it is a convolution
    return len(found)
