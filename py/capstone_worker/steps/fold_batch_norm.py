"""Batch norms into the convolutions before them (Jacob et al. 2018, arXiv 1712.05877, section 3.2)."""

from __future__ import annotations

from collections import Counter

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(network: fx.GraphModule) -> int:
    """Fold, in place, each batch norm that stands alone behind a convolution; how many there were.

    Args:
        network: in evaluation mode.
    """
    modules = dict(network.named_modules())
    calls = count_calls(network)
    folded = 0
    for node in list(network.graph.nodes):
        norm = modules.get(node.target) if node.op == "call_module" else None
        if not isinstance(norm, nn.BatchNorm2d) or not norm.track_running_stats:
            continue
        (before,) = node.all_input_nodes
        conv = modules.get(before.target) if before.op == "call_module" else None
        if not isinstance(conv, nn.Conv2d) or len(before.users) > 1 or calls[before.target] > 1:
            continue
        modules[before.target] = fuse_conv_bn_eval(conv, norm)  # another batch norm may follow
        network.add_submodule(before.target, modules[before.target])
        node.replace_all_uses_with(before)
        network.graph.erase_node(node)
        folded += 1
    network.delete_all_unused_submodules()
    network.recompile()
    return folded


def count_calls(network: fx.GraphModule) -> Counter[str]:
    """How often each module is called: one that is called twice belongs to two places."""
    return Counter(str(node.target) for node in network.graph.nodes if node.op == "call_module")
