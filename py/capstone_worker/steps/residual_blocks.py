"""Residual blocks of a network, whatever its architecture: found in its graph, and taken out of it.

A block computes ``skip + branch(skip)`` (He et al. 2015, arXiv 1512.03385). Without its branch it is the
identity, so that what follows is handed the skip.
"""

from __future__ import annotations

import copy
import operator
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, fx, nn

_ADDITIONS = (operator.add, operator.iadd, torch.add)


@dataclass(frozen=True, eq=False)
class ResidualBlock:
    """One block, equal to itself alone; the nodes are those of the graph that it was found in.

    Attributes:
        name: unlike that of any other block of the network: of the module that holds the branch, else of the
            branch's first module, else of the addition.
        total: the addition.
        skip: the addend that stays.
        branch: all nodes that nobody but the other addend needs, in the graph's order.
        writers: nodes behind the addition that overwrite its result, as a ReLU in place does.
    """

    name: str
    total: fx.Node
    skip: fx.Node
    branch: tuple[fx.Node, ...]
    writers: tuple[fx.Node, ...]


def residual_blocks(network: fx.GraphModule, image_size: int) -> list[ResidualBlock]:
    """The blocks that can be removed, in the graph's order; a block can lie within the branch of another.

    An addition of two values of one shape, of which one, the skip, is needed to compute the other. Left out
    are those whose branch gives something to anybody else, or writes into the skip, and those whose result is
    overwritten in a way that `without_blocks` cannot undo.

    Args:
        network: in eval mode; run once.
        image_size: of the square images that it is run with, in pixels; the shapes are those of that size.
    """
    run = _Run(network)
    with torch.no_grad():
        run.run(torch.zeros(1, 3, image_size, image_size))
    place = {node: index for index, node in enumerate(network.graph.nodes)}
    found = []
    for total in network.graph.nodes:
        if total.op != "call_function" or total.target not in _ADDITIONS:
            continue
        if len(total.args) != 2 or total.kwargs or not all(isinstance(arg, fx.Node) for arg in total.args):
            continue
        for skip, end in (total.args, reversed(total.args)):
            branch = _branch(total, skip, end)
            if not branch or run.shape(skip) != run.shape(end) or run.written_by(skip).intersection(branch):
                continue
            writers = {node for node in run.written_by(total) if place[node] > place[total]}
            if all(_can_write_elsewhere(network, node) for node in writers):
                in_order = (sorted(nodes, key=place.__getitem__) for nodes in (branch, writers))
                found.append((total, skip, *map(tuple, in_order)))
    names = _names([(total, branch) for total, _, branch, _ in found])
    return [ResidualBlock(name, *block) for name, block in zip(names, found, strict=True)]


def without_blocks(network: fx.GraphModule, blocks: Collection[ResidualBlock]) -> fx.GraphModule:
    """The network without the blocks, and without the modules that nobody calls then.

    Its modules are those of `network`. What overwrote a removed addition's result does so no longer: it would
    overwrite the skip, which others may need and autograd has to keep. A ReLU that would follow another
    directly goes too: it changes nothing.

    Args:
        network: that the blocks were found in.
        blocks: any of them.
    """
    graph, copied = fx.Graph(), dict[fx.Node, fx.Node]()
    graph.output(graph.graph_copy(network.graph, copied))
    place = {node: index for index, node in enumerate(network.graph.nodes)}
    gone: set[fx.Node] = set()
    elsewhere: set[str] = set()
    # The last first: at a block's turn it is decided whether it lay within another, and its skip is there.
    for block in sorted(blocks, key=lambda block: place[block.total], reverse=True):
        total, skip = copied[block.total], copied[block.skip]
        if total in gone:
            continue
        followers = list(total.users)
        total.replace_all_uses_with(skip)
        removable = [total, *(copied[node] for node in reversed(block.branch))]
        for node in followers:
            if _is_relu(network, node) and _is_relu(network, skip):
                node.replace_all_uses_with(skip)
                removable.append(node)
        for node in removable:
            if not node.users:
                graph.erase_node(node)
                gone.add(node)
        for node in (copied[writer] for writer in block.writers):
            if node in gone:
                continue
            if node.op == "call_module":
                elsewhere.add(str(node.target))
            else:
                _write_elsewhere(node)
    smaller: fx.GraphModule = fx.GraphModule(network, graph)
    for name in elsewhere:
        module = copy.copy(network.get_submodule(name))
        module.inplace = False  # type: ignore[assignment]
        smaller.add_submodule(name, module)
    return smaller


class _Run(fx.Interpreter):
    """Runs a graph, remembers every value, and which nodes overwrote it: torch counts changes of a tensor."""

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__(network, garbage_collect_values=False)  # two that are alive have no memory in common
        self._writers: dict[int, set[fx.Node]] = {}

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401 - fx's own
        read = [value for node in n.all_input_nodes if isinstance(value := self.env[node], Tensor)]
        versions = [tensor._version for tensor in read]
        result = super().run_node(n)
        for tensor, version in zip(read, versions, strict=True):
            if tensor._version != version:
                self._writers.setdefault(_memory(tensor), set()).add(n)
        return result

    def shape(self, node: fx.Node) -> tuple[int, ...] | None:
        """None for what is no tensor, and has no shape in common with anything."""
        value = self.env[node]
        return tuple(value.shape) if isinstance(value, Tensor) else None

    def written_by(self, node: fx.Node) -> set[fx.Node]:
        """The nodes that wrote into the memory of a node's value."""
        value = self.env[node]
        return self._writers.get(_memory(value), set()) if isinstance(value, Tensor) else set()


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _branch(total: fx.Node, skip: fx.Node, end: fx.Node) -> set[fx.Node]:
    """The nodes from the skip to the branch's end; none where these two make no block of the addition.

    Parameters that the branch reads are among them, whoever else reads them.
    """
    behind = _needed_for(end)
    if skip is end or skip not in behind:
        return set()
    branch = behind - _needed_for(skip)
    alone = all(
        node.op == "get_attr" or (node.op != "placeholder" and branch.issuperset(node.users.keys() - {total}))
        for node in branch
    )
    return branch if alone else set()


def _needed_for(node: fx.Node) -> set[fx.Node]:
    """The node and all that it is computed from."""
    found, waiting = {node}, [node]
    while waiting:
        new = set(waiting.pop().all_input_nodes) - found
        found |= new
        waiting += new
    return found


def _is_relu(network: fx.GraphModule, node: fx.Node) -> bool:
    return node.op == "call_module" and type(network.get_submodule(str(node.target))) is nn.ReLU


def _can_write_elsewhere(network: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return hasattr(network.get_submodule(str(node.target)), "inplace")
    return node.target is operator.iadd or "inplace" in node.kwargs


def _write_elsewhere(node: fx.Node) -> None:
    if node.target is operator.iadd:
        node.target = operator.add
    else:
        node.update_kwarg("inplace", False)


def _names(blocks: Sequence[tuple[fx.Node, Sequence[fx.Node]]]) -> list[str]:
    """A name for each block, given its addition and its branch; no two are alike."""
    choices = []
    for total, branch in blocks:
        paths = [str(node.target) for node in branch if node.op == "call_module"]
        words = zip(*(path.split(".") for path in paths), strict=False)
        holder = ".".join(word for word, *_ in takewhile(lambda alike: len(set(alike)) == 1, words))
        choices.append(list(dict.fromkeys(filter(None, [holder, *paths[:1], total.name]))))
    taken = Counter(name for names in choices for name in names)
    return [next((name for name in names if taken[name] == 1), names[-1]) for names in choices]
