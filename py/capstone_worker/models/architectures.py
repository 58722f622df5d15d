"""The architectures a job can name, each with what only it knows about itself."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torchvision
from torch import Tensor, nn

from .. import schema
from ..errors import UserError
from . import densenet, mobilenet, regnet, resnet, shufflenet, vgg, vit
from .cifar_resnet import cifar_resnet
from .resnet import Stem


@dataclass(frozen=True)
class Architecture:
    """One architecture. What a job must know of it before anything starts stands in the job's schema.

    Attributes:
        build: (num_classes, stem, image_size in pixels) -> the network, initialised from torch's generator.
        head: name of the last layer with weights, a Linear or a 1x1 convolution; its rows are the classes.
        stem_of: the stem that a foreign state_dict was trained with.
        at_image_size: (a foreign state_dict, image_size in pixels) -> the same for images of that size, with
            the names that the network has.
    """

    build: Callable[[int, Stem, int], nn.Module]
    head: str
    stem_of: Callable[[Mapping[str, Tensor]], Stem]
    at_image_size: Callable[[Mapping[str, Tensor], int], Mapping[str, Tensor]]


def _cifar_resnet(depth: int) -> Architecture:
    return Architecture(
        lambda num_classes, stem, image_size: cifar_resnet(depth, num_classes),
        "fc",
        lambda tensors: "cifar",
        _as_they_are,
    )


def _resnet(arch: str) -> Architecture:
    return Architecture(resnet.resnet(arch), "fc", resnet.stem_of, _as_they_are)


def _imagenet(
    build: Callable[[int, Stem, int], nn.Module],
    head: str,
    at_image_size: Callable[[Mapping[str, Tensor], int], Mapping[str, Tensor]] | None = None,
) -> Architecture:
    """With torchvision's first layers and no others."""
    return Architecture(build, head, lambda tensors: "imagenet", at_image_size or _as_they_are)


def _stock(arch: str, head: str) -> Architecture:
    """torchvision's network of that name as it is."""
    return _imagenet(
        lambda num_classes, stem, image_size: torchvision.models.get_model(
            arch, weights=None, num_classes=num_classes
        ),
        head,
    )


def _as_they_are(tensors: Mapping[str, Tensor], image_size: int) -> Mapping[str, Tensor]:
    return tensors


ARCHITECTURES: dict[str, Architecture] = {
    "resnet18": _resnet("resnet18"),
    "vit_b_16": _imagenet(vit.vit_b_16, "heads.head", vit.at_image_size),
    **{f"resnet{depth}": _cifar_resnet(depth) for depth in (20, 32, 44, 56)},
    "resnet34": _resnet("resnet34"),
    "resnet50": _resnet("resnet50"),
    "vgg11_bn": _imagenet(vgg.vgg("vgg11_bn"), "classifier.6"),
    "vgg16_bn": _imagenet(vgg.vgg("vgg16_bn"), "classifier.6"),
    "mobilenet_v2": _imagenet(mobilenet.mobilenet_v2, "classifier.1"),
    "mobilenet_v3_small": _stock("mobilenet_v3_small", "classifier.3"),
    "mobilenet_v3_large": _stock("mobilenet_v3_large", "classifier.3"),
    "efficientnet_b0": _stock("efficientnet_b0", "classifier.1"),
    "densenet121": _imagenet(densenet.densenet121, "classifier", densenet.renamed),
    "regnet_y_400mf": _imagenet(regnet.regnet_y_400mf, "fc"),
    "shufflenet_v2_x1_0": _imagenet(shufflenet.shufflenet_v2_x1_0, "fc"),
    "convnext_tiny": _stock("convnext_tiny", "classifier.2"),
    "squeezenet1_1": _stock("squeezenet1_1", "classifier.1"),
}


def architecture(arch: str) -> Architecture:
    """The architecture of that name.

    Raises:
        UserError: ``arch_unknown``; the message lists the known ones and the nearest.
    """
    if arch in ARCHITECTURES:
        return ARCHITECTURES[arch]
    nearest = difflib.get_close_matches(arch, ARCHITECTURES, n=1)
    raise UserError(
        "arch_unknown",
        f"there is no architecture {arch!r}; known: {', '.join(ARCHITECTURES)}",
        f"Did you mean {nearest[0]}?" if nearest else "Name one of these",
    )


def family(arch: str) -> str:
    """What chooses a recipe's levels, for example ``resnet``.

    Raises:
        UserError: as `architecture`.
    """
    architecture(arch)
    return schema.architecture(arch).family


def default_image_size(arch: str) -> int:
    """In pixels.

    Raises:
        UserError: as `architecture`.
    """
    architecture(arch)
    return schema.architecture(arch).default_image_size


def default_stem(arch: str) -> Stem:
    """The first layers where a job names none.

    Raises:
        UserError: as `architecture`.
    """
    architecture(arch)
    stem: Stem = schema.architecture(arch).stems[0]  # type: ignore[assignment]
    return stem


def check_settings(arch: str, *, stem: Stem, image_size: int) -> None:
    """Refuse what no network of that architecture can have.

    Raises:
        UserError: ``arch_unknown``, ``stem_unfit``, ``image_size_unfit``.
    """
    architecture(arch)
    facts = schema.architecture(arch)
    if stem not in facts.stems:
        raise UserError(
            "stem_unfit",
            f"{arch}: expected the stem {' or '.join(facts.stems)}, found {stem}",
            "Leave the stem out",
        )
    minimum, step = facts.minimum_image_size, facts.image_size_multiple_of
    if image_size < minimum or image_size % step:
        raise UserError(
            "image_size_unfit",
            f"{arch}: expected as image_size a multiple of {step}, at least {minimum}, found {image_size}",
            f"Choose {max(minimum, round(image_size / step) * step)}",
        )
