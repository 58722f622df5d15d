"""Networks whose own code views a map as rows, in the layout that is fastest to train in.

`x.view(x.size(0), -1)` is how many write it, and is refused by torch for maps in channels_last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode


class AnyLayout(TorchFunctionMode):
    """While this is entered, a view that the layout does not allow is a copy of the same shape."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - as torch declares it
        """Called by torch for each of its functions, with this mode switched off inside."""
        if func is not Tensor.view:
            return func(*args, **(kwargs or {}))
        try:
            return func(*args, **(kwargs or {}))
        except RuntimeError:  # of a view as another dtype, or of a wrong size, reshape says the same
            return Tensor.reshape(*args, **(kwargs or {}))
