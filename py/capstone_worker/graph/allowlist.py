"""What a network may consist of: module types with their constructor arguments, functions, methods.

A file names an entry of these tables; nothing it says is imported or evaluated. To allow one more module,
list every constructor argument that changes what it computes: an argument left out would be lost in a file.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn
from torchvision.models.convnext import LayerNorm2d
from torchvision.ops import Permute, StochasticDepth

from .channel_shuffle import ChannelShuffle
from .int8_linear import Int8Linear
from .int8_static import Int8Conv2d, QuantizeEdge, StaticInt8Linear

_MAX_INT = 2**31 - 1


@dataclass(frozen=True)
class Field:
    """What a constructor argument may be: in words, as a check, and how a module tells its own."""

    expected: str
    holds: Callable[[object], bool]
    of: Callable[[nn.Module, str], object] = getattr


@dataclass(frozen=True)
class ModuleKind:
    """One allowed module: its name in JSON, its class, its constructor arguments, and fixed extra keys."""

    type: str
    make: Callable[..., nn.Module]
    fields: Mapping[str, Field] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)


def _int_from(minimum: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and minimum <= value <= _MAX_INT


def _one_or_two(holds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: (
        holds(value) or (isinstance(value, tuple) and len(value) == 2 and all(map(holds, value)))
    )


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _is_flag(value: object) -> bool:
    return type(value) is bool


def _sizes(value: object) -> bool:
    return isinstance(value, tuple) and 1 <= len(value) <= 8 and all(map(_int_from(1), value))


def _is_order(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and 1 <= len(value) <= 8
        and all(map(_int_from(0), value))
        and sorted(value) == list(range(len(value)))
    )


def _as_tuple(module: nn.Module, name: str) -> object:
    return tuple(getattr(module, name))


def _has_projection_bias(module: nn.Module, name: str) -> bool:
    return getattr(module, f"in_proj_{name}") is not None


def _unless_as_queries(module: nn.Module, name: str) -> object:
    """kdim or vdim; None where keys or values are as long as queries, as the constructor has it."""
    length = getattr(module, name)
    return None if length == module.embed_dim else length


def _has_parameter(module: nn.Module, name: str) -> bool:
    return getattr(module, name) is not None


COUNT = Field("a whole number from 1", _int_from(1))
COUNT_OR_NONE = Field("a whole number from 1 or null", lambda value: value is None or _int_from(1)(value))
SIZE = Field("one or two whole numbers from 1", _one_or_two(_int_from(1)))
PADDING = Field("one or two whole numbers from 0", _one_or_two(_int_from(0)))
FLAG = Field("true or false", _is_flag)
HAS = Field("true or false", _is_flag, _has_parameter)
NUMBER = Field("a finite number", _is_number)
NUMBER_OR_NONE = Field("a finite number or null", lambda value: value is None or _is_number(value))
PROBABILITY = Field("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)  # type: ignore[operator]
DIMENSION = Field(
    "a whole number from -8 to 7",
    lambda value: type(value) is int and -8 <= value <= 7,
)
ORDER = Field("the numbers from 0 to at most 7 in any order", _is_order, _as_tuple)
SIZES = Field("a list of 1 to 8 whole numbers from 1", _sizes)
FALSE = Field("false", lambda value: value is False)
HAS_BIAS_KV = Field(FALSE.expected, FALSE.holds, lambda module, name: module.bias_k is not None)
HAS_PROJECTION_BIAS = Field(HAS.expected, _is_flag, _has_projection_bias)
AS_QUERIES = Field("null", lambda value: value is None, _unless_as_queries)
APPROXIMATION = Field("none or tanh", lambda value: value in ("none", "tanh"))
DROPPED = Field("row or batch", lambda value: value in ("row", "batch"))
ZEROS = Field('"zeros"', lambda value: value == "zeros")

_LAYER_NORM = {"normalized_shape": SIZES, "eps": NUMBER, "elementwise_affine": FLAG, "bias": HAS}
_LINEAR = {"in_features": COUNT, "out_features": COUNT, "bias": HAS}
_CONV2D = {
    "in_channels": COUNT,
    "out_channels": COUNT,
    "kernel_size": SIZE,
    "stride": SIZE,
    "padding": PADDING,
    "dilation": SIZE,
    "groups": COUNT,
    "bias": HAS,
}
_STATIC_INT8 = {"weight_dtype": "int8", "execution": "static"}

MODULES: tuple[ModuleKind, ...] = (
    ModuleKind("Conv2d", nn.Conv2d, {**_CONV2D, "padding_mode": ZEROS}),
    ModuleKind("Conv2d", Int8Conv2d, _CONV2D, _STATIC_INT8),
    ModuleKind(
        "BatchNorm2d",
        nn.BatchNorm2d,
        {
            "num_features": COUNT,
            "eps": NUMBER,
            "momentum": NUMBER_OR_NONE,
            "affine": FLAG,
            "track_running_stats": FLAG,
        },
    ),
    ModuleKind("LayerNorm", nn.LayerNorm, _LAYER_NORM),
    ModuleKind("LayerNorm2d", LayerNorm2d, _LAYER_NORM),
    ModuleKind("Linear", nn.Linear, _LINEAR),
    ModuleKind("Linear", Int8Linear, _LINEAR, {"weight_dtype": "int8", "execution": "dynamic"}),
    ModuleKind("Linear", StaticInt8Linear, _LINEAR, _STATIC_INT8),
    ModuleKind("QuantizeEdge", QuantizeEdge),
    ModuleKind(
        "MultiheadAttention",
        nn.MultiheadAttention,
        {
            "embed_dim": COUNT,
            "num_heads": COUNT,
            "dropout": PROBABILITY,
            "bias": HAS_PROJECTION_BIAS,
            "add_bias_kv": HAS_BIAS_KV,
            "add_zero_attn": FALSE,
            "kdim": AS_QUERIES,
            "vdim": AS_QUERIES,
            "batch_first": FLAG,
        },
    ),
    ModuleKind("ReLU", nn.ReLU, {"inplace": FLAG}),
    ModuleKind("ReLU6", nn.ReLU6, {"inplace": FLAG}),
    ModuleKind("GELU", nn.GELU, {"approximate": APPROXIMATION}),
    ModuleKind("SiLU", nn.SiLU, {"inplace": FLAG}),
    ModuleKind("Sigmoid", nn.Sigmoid),
    ModuleKind("Hardsigmoid", nn.Hardsigmoid, {"inplace": FLAG}),
    ModuleKind("Hardswish", nn.Hardswish, {"inplace": FLAG}),
    ModuleKind(
        "MaxPool2d",
        nn.MaxPool2d,
        {"kernel_size": SIZE, "stride": SIZE, "padding": PADDING, "dilation": SIZE, "ceil_mode": FLAG},
    ),
    ModuleKind(
        "AvgPool2d",
        nn.AvgPool2d,
        {
            "kernel_size": SIZE,
            "stride": SIZE,
            "padding": PADDING,
            "ceil_mode": FLAG,
            "count_include_pad": FLAG,
            "divisor_override": COUNT_OR_NONE,
        },
    ),
    ModuleKind("AdaptiveAvgPool2d", nn.AdaptiveAvgPool2d, {"output_size": SIZE}),
    ModuleKind("Dropout", nn.Dropout, {"p": PROBABILITY, "inplace": FLAG}),
    ModuleKind("StochasticDepth", StochasticDepth, {"p": PROBABILITY, "mode": DROPPED}),
    ModuleKind("ChannelShuffle", ChannelShuffle, {"groups": COUNT}),
    ModuleKind("Flatten", nn.Flatten, {"start_dim": DIMENSION, "end_dim": DIMENSION}),
    ModuleKind("Permute", Permute, {"dims": ORDER}),
    ModuleKind("Identity", nn.Identity),
)

FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "operator.add": operator.add,
    "operator.getitem": operator.getitem,
    "operator.iadd": operator.iadd,
    "torch.cat": torch.cat,
    "torch.flatten": torch.flatten,
    "torch.mul": torch.mul,
    "torch.narrow": torch.narrow,
    "torch.select": torch.select,
}
"""None may make many values out of few: operator.mul, which repeats a tuple, or chunk would let a small file
fill the memory of whoever opens it."""

METHODS = ("expand", "flatten", "permute", "size")
"""Of a tensor. To allow one more: it must not write, and no argument of it may be text."""
