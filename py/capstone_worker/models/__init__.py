"""Networks by name and from files.

Int8Linear is a part of the graph's allowlist; the rooms above know it through this one.
"""

from ..graph.int8_linear import Int8Linear

__all__ = ["Int8Linear"]
