"""What a task found out, as text for stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import schema
from ..rows import Row

_ONCE = ("params", "nonzero", "sparsity", "acc", "file_size")
_EACH_BATCH_SIZE = ("latency_ms", "throughput")
_VERDICTS = {"faster": "faster", "slower": "slower", "no_difference": "no difference"}


def outcome(task: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The lines that a script prints for a task and the values of its result."""
    match task["kind"]:
        case "train":
            spec = task["spec"]
            what = f"{spec['model']['name']} on {spec['dataset']['name']}"
            return f"{task['paths']['output']}: {what}, accuracy {values['acc']:.2f} %\n"
        case "compress":
            return (
                f"{task['paths']['output']}: {values['params']:,} parameters, {values['nonzero']:,} not zero "
                f"(sparsity {values['sparsity']:.4f}), {values['file_size']:,} bytes\n"
            )
        case _:
            runtimes = dict.fromkeys(row["runtime"] for row in values["rows"])
            return "\n".join(
                side_by_side([row for row in values["rows"] if row["runtime"] == runtime])
                for runtime in runtimes
            )


def side_by_side(rows: Sequence[Row]) -> str:
    """Original and compressed model beside each other.

    Args:
        rows: of one original and one artifact in one runtime, at each batch size.
    """
    first = rows[0]
    table = [("", "original", "compressed", "")]
    table += [_line(first, name, "") for name in _ONCE]
    table += [_line(row, name, f", batch {row['batch_size']}") for row in rows for name in _EACH_BATCH_SIZE]
    widths = [max(len(line[column]) for line in table) for column in range(3)]
    lines = [
        f"{label:<{widths[0]}}  {original:>{widths[1]}}  {compressed:>{widths[2]}}  {remark}".rstrip()
        for label, original, compressed, remark in table
    ]
    noises = [
        f"noise at batch {row['batch_size']}: {row['noise']}" for row in rows if row["noise"] is not None
    ]
    bests = [
        f"best original at batch {row['batch_size']}: {row['best_original_latency_ms']:.3f} ms in "
        f"{row['best_original_runtime']}; compressed {row['speedup_vs_best_original']:.2f} times as fast"
        for row in rows
    ]
    return "\n".join([_title(first), *lines, *bests, *noises, ""])


def _title(row: Row) -> str:
    seed = f", seed {row['seed']}" if row["seed"] else ""
    return (
        f"{row['model']} on {row['dataset']}{seed}, {row['recipe']} level {row['level']}: "
        f"{row['eval_samples']} test images, {row['runtime']} on {row['cpu']}, {row['threads']} threads"
    )


def _line(row: Row, name: str, of: str) -> tuple[str, str, str, str]:
    column = schema.load("row")["properties"][f"original_{name}"]
    unit = f" ({column['x-unit']})" if "x-unit" in column else ""
    cells = [f"{row[f'{whose}_{name}']:,.{column['x-decimals']}f}" for whose in ("original", "compressed")]
    return f"{name.removesuffix('_ms')}{of}{unit}", cells[0], cells[1], _remark(row, name)


def _remark(row: Row, name: str) -> str:
    """What may be concluded, with its 99 % interval."""
    if name == "acc":
        return f"drop {row['acc_drop']:.2f} ({row['acc_drop_low']:.2f} to {row['acc_drop_high']:.2f})"
    if name == "latency_ms":
        interval = f"{row['speedup_low']:.3f} to {row['speedup_high']:.3f}"
        return f"speedup {row['speedup']:.3f} ({interval}): {_VERDICTS[row['verdict']]}"
    return ""
