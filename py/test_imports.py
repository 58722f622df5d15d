"""Holds py/ to the picture in ARCHITECTURE.md: who may import whom. test/imports.test.ts does it for src/."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "py" / "capstone_worker"


def picture() -> dict[str, set[str]]:
    """`room -> room, room` lines of the fenced block under the heading."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## Arrows in py/")[1]
    block = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert block is not None
    arrows = (line.split("->") for line in block.group(1).strip().splitlines())
    return {room.strip(): {to.strip() for to in rooms.split(",") if to.strip()} for room, rooms in arrows}


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(file: Path) -> Iterator[str]:
    """Rooms of this package that a file names in an import, wherever the import stands."""
    package = ["capstone_worker", *file.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module.split(".") if node.module else [])]
            names = [".".join([*module, alias.name]) for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "capstone_worker" and len(parts) > 1:
                yield parts[1]


def test_imports_follow_the_picture() -> None:
    allowed = picture()
    sources = [
        file for file in PACKAGE.rglob("*.py") if not file.name.startswith(("test_", "conftest", "__init__"))
    ]
    edges = [(file, room_of(file), room) for file in sources for room in imported_rooms(file)]
    assert len(edges) > 50
    assert [
        f"{file.relative_to(ROOT)}: {origin} -> {room}"
        for file, origin, room in edges
        if room != origin and room not in allowed.get(origin, set())
    ] == []
    assert set(allowed) == {room_of(file) for file in sources}
