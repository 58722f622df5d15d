"""Networks by name and from files.

The int8 layers are parts of the graph's allowlist; the rooms above know them through this one.
"""

from ..graph.int8_linear import Int8Linear
from ..graph.int8_static import Int8Conv2d, QuantizeEdge, StaticInt8Linear, is_static
from ..graph.int8_weight import Int8Weight

__all__ = ["Int8Conv2d", "Int8Linear", "Int8Weight", "QuantizeEdge", "StaticInt8Linear", "is_static"]
