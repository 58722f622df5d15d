"""Keys against schema/keys.golden.json, which the TypeScript tests read too."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785

from capstone_worker import keys, schema

CASES = json.loads((schema.PACKAGE_ROOT / "schema" / "keys.golden.json").read_text(encoding="utf-8"))
Case = dict[str, Any]


@pytest.mark.parametrize("case", CASES, ids=[case["task"]["id"] for case in CASES])
def test_golden(case: Case) -> None:
    assert keys.task_key(case["task"], case["software"]) == case["key"]


def test_golden_keys_differ() -> None:
    assert len({case["key"] for case in CASES}) == len(CASES) >= 6


def _set(*path: str) -> Callable[[Case], object]:
    def change(case: Case) -> None:
        parent = case
        for word in path[:-1]:
            parent = parent[word]
        parent[path[-1]] = "changed"

    return change


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        (_set("task", "spec", "train", "lr"), True),
        (_set("task", "inputs", "dataset"), True),
        (_set("task", "threads"), True),
        (_set("software", "torch"), True),
        (_set("software", "python"), False),
        (_set("task", "id"), False),
        (_set("task", "paths"), False),
        (_set("task", "cpu"), False),  # a training does not belong to a machine
    ],
)
def test_what_matters(change: Callable[[Case], object], matters: bool) -> None:
    case = copy.deepcopy(CASES[0])
    change(case)
    assert (keys.task_key(case["task"], case["software"]) != CASES[0]["key"]) is matters


def test_canonical_numbers() -> None:
    """As ECMAScript writes them: RFC 8785, appendix B."""
    assert keys.canonical([5e-4, 1e-7, 0.3, 1e21, 1e20, 1.0, -0.0]) == (
        b"[0.0005,1e-7,0.3,1e+21,100000000000000000000,1,0]"
    )
    with pytest.raises(rfc8785.CanonicalizationError):
        keys.canonical(float("nan"))
