"""Networks from state_dicts that other programs wrote, torchvision's published weights among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..artifact.read import read_model
from ..errors import UserError
from ..graph.trace import trace
from .architectures import architecture, check_settings, default_image_size, family
from .fits import check_classes, check_fits
from .own_code import CUSTOM, Code, check_outputs, find_function, make_network
from .resnet import Stem


def foreign_network(
    path: Path,
    tensors: Mapping[str, Tensor],
    arch: str | None,
    num_classes: int | None,
    stem: Stem | None,
    image_size: int | None,
) -> tuple[fx.GraphModule, dict[str, Any]]:
    """The network `arch` with the tensors of the file at `path`, and what they say of it; see `load_model`.

    Raises:
        UserError: ``model_arch_needed``, ``model_wrong_arch``; or as `check_settings`, `check_classes` and
            `check_fits`.
    """
    if arch is None:
        raise UserError(
            "model_arch_needed",
            f"{path}: not written by capstone, so it does not say which network it belongs to",
            "Name the architecture with --model",
        )
    known = architecture(arch)
    head = tensors.get(f"{known.head}.weight")
    if head is None or head.ndim not in (2, 4):  # of a Linear, or of a convolution in its place
        raise UserError(
            "model_wrong_arch",
            f"{path}: the weights are not those of {arch}: {known.head}.weight is missing or no matrix",
            "Name the architecture that the weights belong to",
        )
    found = len(head)
    check_classes(path, found, num_classes)
    stem, image_size = stem or known.stem_of(tensors), image_size or default_image_size(arch)
    check_settings(arch, stem=stem, image_size=image_size)
    with torch.device("meta"):
        network = trace(known.build(found, stem, image_size))
    own = network.state_dict()
    fitted = architecture(arch).at_image_size(_completed(tensors, own), image_size)
    check_fits(path, fitted, own, arch)
    network.to_empty(device="cpu")
    network.load_state_dict(fitted)
    model = {
        "arch": arch,
        "family": family(arch),
        "num_classes": found,
        "stem": stem,
        "image_size": image_size,
    }
    return network, {"model": model}


def start_from(path: Path, network: nn.Module, arch: str, image_size: int) -> None:
    """Put the weights of a foreign file into a fresh network, which keeps its own head.

    Args:
        path: the file; whatever its classes are.
        network: the fresh network, changed in place.
        arch: its architecture.
        image_size: its image size in pixels.

    Raises:
        UserError: as `read_model` and `check_fits`; the network is as it was.
    """
    own = network.state_dict()
    head = f"{architecture(arch).head}."
    body = {name: tensor for name, tensor in read_model(path).tensors.items() if not name.startswith(head)}
    fitted = dict(architecture(arch).at_image_size(_completed(body, own), image_size))
    fitted |= {name: tensor for name, tensor in own.items() if name.startswith(head)}
    check_fits(path, fitted, own, arch)
    network.load_state_dict(fitted)


def custom_network(
    path: Path, tensors: Mapping[str, Tensor], code: Code, num_classes: int | None, image_size: int
) -> tuple[fx.GraphModule, dict[str, Any]]:
    """The network that `code` makes with the tensors of the file at `path`, and what is known of it.

    Raises:
        UserError: ``model_does_not_fit``, ``model_wrong_classes``; or as `own_code`.
    """
    function = find_function(code)
    module, found = make_network(code, function, num_classes=num_classes, image_size=image_size, seed=0)
    own = module.state_dict()
    fitted = _completed(tensors, own)
    check_fits(path, fitted, own, str(code), "Name the function that makes the network of these weights")
    check_outputs(code, found, num_classes, "the spec says")
    module.load_state_dict(fitted)
    model = {"arch": CUSTOM, "family": CUSTOM, "num_classes": found, "image_size": image_size}
    return trace(module.eval()), {"model": model}


def _completed(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as a network of this program has them: float32, with all counters."""
    counters = {  # not in files from before torch 0.4.1; no result depends on it
        name: torch.zeros((), dtype=torch.int64) for name in own if name.endswith(".num_batches_tracked")
    }
    floats = {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }
    return {**counters, **floats}
