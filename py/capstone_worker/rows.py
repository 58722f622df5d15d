"""Rows of results and benchmark_levels.csv, byte for byte as src/results/csv.ts writes it.

A header with all columns in the schema's order; lines end in LF and are sorted by the identity columns,
numbers by value, text by UTF-16 code units, as JavaScript compares. Unknown is empty. Numbers have the
schema's ``x-decimals``, rounded from the exact binary value with halves away from zero, and are never
``-0.00``. Flags are true and false. Text is quoted only where it holds a comma, a quote, CR, LF or a byte
order mark, or begins or ends with a space.

The tests of both languages write test/fixtures/rows.json and expect the bytes of test/fixtures/rows.csv.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from pathlib import Path
from typing import Any

from . import lock, schema
from .artifact.write import write_atomic
from .errors import UserError

Row = dict[str, Any]
"""As in schema/row.schema.json; a column that is absent is unknown, as None is."""

_EXACT = Context(prec=400)  # digits: more than any double has before and after the point
_NEEDS_QUOTES = re.compile('[,"\r\n\ufeff]|^ | $')
_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_FLAGS = {"true": True, "false": False}
_HINT = "Correct the file, or move it aside: the next benchmark writes a new one."


@dataclass(frozen=True)
class _Column:
    """``decimals`` is None where the column holds no number."""

    name: str
    decimals: int | None
    is_flag: bool


def to_csv(rows: Sequence[Row]) -> str:
    """The whole file as text.

    Args:
        rows: of distinct identities, in any order.

    Raises:
        ValueError: a row has a column that the schema has not, or a number that is not finite.
    """
    lines = [",".join(column.name for column in _columns())]
    lines += [_line(row) for row in sorted(rows, key=_sort_key)]
    return "".join(f"{line}\n" for line in lines)


def parse_csv(text: str, source: str = "benchmark_levels.csv") -> list[Row]:
    """The rows of such a file, each with all columns. They may stand in any order; an absent one is unknown.

    Args:
        text: the file's.
        source: what the file is called in a message.

    Raises:
        UserError: ``rows_invalid``: no CSV, or a line that is no row; the message names the line.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    header: list[str] | None = None
    rows = []
    line = 1
    try:
        for cells in reader:
            place = f"{source}, line {line}"
            line = reader.line_num + 1
            if not cells:
                continue
            if header is None:
                header = cells
                _check_header(header, place)
            elif len(cells) != len(header):
                raise _invalid(f"{place}: expected {len(header)} cells, found {len(cells)}")
            else:
                rows.append(_row(dict(zip(header, cells, strict=True)), place))
    except csv.Error as error:
        raise _invalid(f"{source}, line {line}: {error}") from None
    return rows


def merge(existing: Iterable[Row], newer: Iterable[Row]) -> list[Row]:
    """Both, where of rows with the same identity the last stays."""
    return list({_identity(row): row for row in (*existing, *newer)}.values())


def update_csv(path: Path, rows: Sequence[Row]) -> None:
    """Put rows into the file, in the place of older ones of the same identity; it is made where missing.

    It is rewritten whole under ``<path>.lock``: no reader sees half of it, and no writer's rows are lost.

    Raises:
        UserError: ``rows_invalid``, as `parse_csv`; or the place cannot be written to.
        MachineError: no room, the disk failed, or the lock is held for long.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock.held(path.with_name(f"{path.name}.lock")):
        existing = parse_csv(_read(path), str(path)) if path.exists() else []
        write_atomic(path, to_csv(merge(existing, rows)).encode())


@cache
def _columns() -> tuple[_Column, ...]:
    return tuple(
        _Column(name, column.get("x-decimals"), "boolean" in column.get("type", ()))
        for name, column in schema.load("row")["properties"].items()
    )


@cache
def _identity_columns() -> tuple[str, ...]:
    return tuple(schema.load("row")["x-identity"])


def _identity(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _identity_columns())


def _sort_key(row: Row) -> tuple[Any, ...]:
    return tuple(value.encode("utf-16-be") if isinstance(value, str) else value for value in _identity(row))


def _line(row: Row) -> str:
    foreign = row.keys() - {column.name for column in _columns()}
    if foreign:
        raise ValueError(f"no columns of a row: {', '.join(sorted(foreign))}")
    return ",".join(_cell(row.get(column.name), column) for column in _columns())


def _cell(value: Any, column: _Column) -> str:  # noqa: ANN401 - a JSON value
    if value is None:
        return ""
    if column.decimals is not None:
        return _rounded(value, column)
    if column.is_flag:
        return "true" if value else "false"
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def _rounded(value: float, column: _Column) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{column.name} is {value}; unknown is None")
    places = Decimal(1).scaleb(-(column.decimals or 0))
    rounded = Decimal(value).quantize(places, ROUND_HALF_UP, context=_EXACT)
    return f"{abs(rounded) if rounded.is_zero() else rounded:f}"


def _check_header(header: Sequence[str], place: str) -> None:
    known = [column.name for column in _columns()]
    for index, name in enumerate(header):
        if name not in known:
            raise _invalid(f'{place}: unknown column "{name}"')
        if name in header[:index]:
            raise _invalid(f'{place}: the column "{name}" stands twice')


def _row(cells: dict[str, str], place: str) -> Row:
    """The row of a line. What does not read as its column's type stays text: the schema refuses it."""
    columns = {column.name: column for column in _columns()}
    known = {name: _value(cell, columns[name]) for name, cell in cells.items() if cell != ""}
    try:
        checked = schema.validate("row", known, place)
    except UserError as error:
        raise _invalid(error.message) from None
    return {name: checked[name] for name in columns}


def _value(cell: str, column: _Column) -> str | int | float | bool:
    if column.decimals is not None and _NUMBER.fullmatch(cell):
        return int(cell) if _INTEGER.fullmatch(cell) else float(cell)
    if column.is_flag and cell.lower() in _FLAGS:  # spreadsheets write TRUE
        return _FLAGS[cell.lower()]
    return cell


def _read(path: Path) -> str:
    """Not read_text, which would turn a CR in a quoted text into LF."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise _invalid(f"{path}: expected UTF-8, found {error.reason}") from None


def _invalid(message: str) -> UserError:
    return UserError("rows_invalid", message, _HINT)
