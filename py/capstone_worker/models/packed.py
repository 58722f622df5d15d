"""A network as one payload: its graph and its tensors, most of them integers of few bits.

The payload begins with its contents, a deflated JSON object ``{"codec", "graph", "layout"}``, so that the
record of a file, which others read too, stays small; in the record stands instead of the graph how long that
is: ``{"packed": 1, "bytes": deflated, "plain_bytes": JSON}``. Behind it follow the tensors, as artifact/pack
lays them out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor, fx

from ..artifact.entropy_coding import Codec, deflated, inflated
from ..artifact.pack import Quantized, described, pack_tensors, quantized_in, unpack_tensors
from ..artifact.packed_layout import PackError
from ..graph.codec import to_json

VERSION = 1
PAYLOAD = "packed"
"""Name of the one tensor in a packed file."""
_MARK = "packing"
_MAX_CONTENTS = 4 * 2**20
"""Bytes of JSON; a ResNet-18 has 19,000. Ten thousand nodes fit, and parsing it takes less than 100 MB."""


@dataclass(frozen=True)
class Packing:
    """How a network is to be written: its float weights by their names in a state_dict, and the codec."""

    quantized: Mapping[str, Quantized]
    codec: Codec


def mark(network: fx.GraphModule, packing: Packing) -> None:
    """Have `save_model` write the network packed. A copy of it keeps the mark, and so does its file."""
    network.meta[_MARK] = packing


def packing_of(network: fx.GraphModule) -> Packing | None:
    """What `mark` was given; None: the network is written as plain tensors."""
    packing: Packing | None = network.meta.get(_MARK)
    return packing


def pack(network: fx.GraphModule, packing: Packing) -> tuple[Tensor, dict[str, Any]]:
    """The payload, uint8 (n,), and what stands for the graph in the record.

    Raises:
        UserError: ``graph_not_allowed``.
        ValueError: a weight was changed after it was quantized.
    """
    body, layout = pack_tensors(network.state_dict(), packing.quantized, packing.codec)
    contents = {"codec": packing.codec, "graph": to_json(network), "layout": layout}
    text = json.dumps(contents, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > _MAX_CONTENTS:
        raise ValueError(f"a graph of {len(text)} bytes")
    head = deflated([text])
    payload = torch.cat([torch.frombuffer(bytearray(head), dtype=torch.uint8), body])
    return payload, {"packed": VERSION, "bytes": len(head), "plain_bytes": len(text)}


@dataclass(frozen=True)
class Contents:
    """What a payload says of itself.

    Attributes:
        graph: as `graph.codec.to_json` gives it, unchecked.
        tensors: names, shapes and dtypes, on the meta device.
    """

    graph: object
    tensors: dict[str, Tensor]
    _layout: object
    _body: Tensor
    _codec: Codec

    def unpack(self) -> tuple[dict[str, Tensor], Packing]:
        """The tensors, and how they were packed. To be called when `tensors` are those of the graph.

        Raises:
            PackError: the payload is damaged or was made by something else.
        """
        tensors = unpack_tensors(self._body, self._layout)
        return tensors, Packing(quantized_in(self._body, self._layout), self._codec)


def contents(tensors: Mapping[str, Tensor], graph: object) -> Contents | None:
    """What a file holds; None where it is not packed.

    Args:
        tensors: of the file.
        graph: what its record says.

    Raises:
        PackError: the file says that it is packed and is not.
    """
    if not isinstance(graph, dict) or "packed" not in graph:
        return None
    if graph["packed"] != VERSION:
        raise PackError(
            f"expected packing {VERSION}, found {graph['packed']!r}: this file needs a newer capstone",
            "model_format_unknown",
        )
    payload = tensors.get(PAYLOAD)
    if len(tensors) != 1 or payload is None or payload.dtype != torch.uint8 or payload.ndim != 1:
        raise PackError(f"expected one tensor {PAYLOAD} of bytes")
    head, size = graph.get("bytes"), graph.get("plain_bytes")
    if len(graph) != 3 or type(head) is not int or type(size) is not int or head < 0 or size < 0:
        raise PackError("its record does not say how long its contents are")
    if size > _MAX_CONTENTS:
        raise PackError(f"expected at most {_MAX_CONTENTS} bytes of contents, found {size}")
    if head > len(payload):
        raise PackError(f"its payload has {len(payload)} bytes, its contents {head}")
    text = inflated(payload[:head].numpy(), size, "its contents")
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise PackError(f"its contents are no JSON ({error})") from None
    if not isinstance(found, dict) or found.keys() != {"codec", "graph", "layout"}:
        raise PackError("its contents are not codec, graph and layout")
    if found["codec"] not in ("deflate", "none"):
        raise PackError(f"expected the codec deflate or none, found {found['codec']!r}")
    layout = found["layout"]
    return Contents(found["graph"], described(layout), layout, payload[head:], found["codec"])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
