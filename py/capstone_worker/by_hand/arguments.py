"""Flags from the schema of the job they stand for, as src/commands/job-flags.ts makes them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import schema

CLASSIC_DATASET = "cifar10"
"""The original tool's, where none is named."""
CLASSIC_MODELS = ("resnet18", "vit_b_16")
"""The original tool's; benchmark measures each whose files are there, where none is named."""


@dataclass(frozen=True)
class Arguments:
    """What the user gave.

    Attributes:
        job: the settings that were given and no others, not yet checked.
        force: files in the way may be replaced, whatever they are.
        checkpoint: of compress: the original.
        num_classes: of compress: what tells the data set of a checkpoint that does not.
    """

    job: dict[str, Any]
    force: bool = False
    checkpoint: Path | None = None
    num_classes: int | None = None


def parse(kind: str, usage: str, argv: Sequence[str]) -> Arguments:
    """Read the flags of a script; leaves with exit code 2 on bad ones and 0 after --help.

    Args:
        kind: of the job: ``train``, ``compress`` or ``benchmark``.
        usage: what --help says above the flags.
        argv: without the script's name.
    """
    parser = argparse.ArgumentParser(
        description=usage, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    flags = schema.flags(kind)
    for flag in flags:
        _add(parser, flag, kind)
    if kind == "compress":
        parser.add_argument(
            "--checkpoint",
            type=Path,
            metavar="FILE",
            help="Original to compress; default: train's name for it.",
        )
        parser.add_argument(
            "--num-classes",
            type=int,
            metavar="N",
            help="Classes of a checkpoint that does not say its data set: 10 means cifar10, 100 cifar100.",
        )
    if kind != "benchmark":
        parser.add_argument(
            "--force", action="store_true", help="Replace files that are in the way, whatever they are."
        )
    given = vars(parser.parse_args(argv))
    job: dict[str, Any] = {"version": 1, "kind": kind}
    for flag in flags:
        value = given.pop(flag.name)
        if value is not None:
            _assign(job, flag.path, value)
    return Arguments(job, **given)


def _add(parser: argparse.ArgumentParser, flag: schema.Flag, kind: str) -> None:
    if flag.schema.get("type") == "boolean":  # what is off by default is a switch
        parser.add_argument(
            flag.name, dest=flag.name, action="store_const", const=True, help=flag.schema["description"]
        )
        return
    is_list = flag.schema.get("type") == "array"
    default = [CLASSIC_DATASET] if flag.path == ("datasets",) else flag.schema.get("default")
    words = [flag.schema.get("description", "")]
    if is_list and any(option.get("type") == "object" for option in flag.schema["items"].get("anyOf", ())):
        words.append("This script takes names alone.")
    if kind == "benchmark" and flag.path == ("models",):
        words.append(f"Default: {', '.join(CLASSIC_MODELS)}: each that has all files.")
    elif default is not None:
        words.append(f"Default: {','.join(map(str, default)) if is_list else default}.")
    parser.add_argument(
        flag.name,
        dest=flag.name,
        action="extend" if is_list else "store",
        type=_list_of(flag.schema["items"]) if is_list else _one(flag.schema),
        metavar=_placeholder(flag),
        help=" ".join(words).replace("%", "%%"),
    )


def _placeholder(flag: schema.Flag) -> str:
    items = flag.schema.get("items")
    choices = (items or flag.schema).get("enum")
    if choices:
        return "|".join(choices)
    types = {option.get("type") for option in ((items or flag.schema), *flag.schema.get("anyOf", ()))}
    if types & {"integer", "number"}:
        return "N"
    key = flag.path[-1].upper()
    return str(flag.schema.get("x-value", key.removesuffix("S") if items else key))


def _list_of(items: schema.Schema) -> Callable[[str], list[object]]:
    """Reads ``a,b`` and, for whole numbers, ``1-5``; a flag given again adds to the list."""
    one = _one(items)

    def read(text: str) -> list[object]:
        values: list[object] = []
        for part in text.split(","):
            ends = (
                re.fullmatch(r"([0-9]{1,4})-([0-9]{1,4})", part) if items.get("type") == "integer" else None
            )
            if ends is None:
                values.append(one(part))
            elif int(ends[1]) <= int(ends[2]):
                values += range(int(ends[1]), int(ends[2]) + 1)
            else:
                raise argparse.ArgumentTypeError(f'expected a range such as 1-5, found "{part}"')
        return values

    return read


def _one(setting: schema.Schema) -> Callable[[str], object]:
    """Reads text as the setting's type; what is out of its range is refused with the whole job."""
    types = {option.get("type") for option in (setting, *setting.get("anyOf", ()))}
    reader: type = int if "integer" in types else float if "number" in types else str

    def read(text: str) -> object:
        try:
            return reader(text)
        except ValueError:
            expected = "a whole number" if reader is int else "a number"
            raise argparse.ArgumentTypeError(f'expected {expected}, found "{text}"') from None

    return read


def _assign(job: dict[str, Any], path: Sequence[str], value: object) -> None:
    for word in path[:-1]:
        job = job.setdefault(word, {})
    job[path[-1]] = value
