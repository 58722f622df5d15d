"""Reading recipes and the rules between steps; the messages whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from capstone_worker import recipes
from capstone_worker.errors import UserError

PRUNE = {"step": "prune_magnitude", "amount": 0.5}
QUANTIZE = {"step": "quantize_dynamic"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.json"


def recipe(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "name": "mine", "levels": {str(level): list(steps) for level in range(1, 6)}}


def refusal(reference: object) -> tuple[str, str, str]:
    with pytest.raises(UserError) as refused:
        recipes.read(str(reference))
    return refused.value.code, refused.value.message, refused.value.hint


@pytest.mark.parametrize(
    ("family", "amounts", "quantized"),
    [
        ("resnet", [0.35, 0.5, 0.6, 0.7, 0.75], [3, 4, 5]),
        ("vit", [0.1, 0.2, 0.3, 0.4, 0.5], [4, 5]),
    ],
)
def test_classic(family: str, amounts: list[float], quantized: list[int]) -> None:
    classic = recipes.read("classic")
    for level, amount in enumerate(amounts, start=1):
        prune = {"step": "prune_magnitude", "amount": amount, "scope": "global"}
        quantize = [QUANTIZE] if level in quantized else []
        assert recipes.level_steps(classic, family, level) == [prune, *quantize]


def test_defaults_are_filled_in(file: Path) -> None:
    file.write_text(json.dumps(recipe(PRUNE)))
    assert recipes.level_steps(recipes.read(str(file)), "any", 2) == [{**PRUNE, "scope": "global"}]


def test_levels_are_those_of_every_family_that_is_not_named() -> None:
    classic = recipes.read("classic")
    assert recipes.level_steps(classic, "vgg", 1) == classic["levels"]["1"]
    assert recipes.level_steps(classic, "vit", 1) == classic["families"]["vit"]["levels"]["1"]


def test_unknown_family() -> None:
    only = {**recipes.read("classic")}
    del only["levels"]
    with pytest.raises(UserError) as refused:
        recipes.level_steps(only, "mlp", 1)
    assert refused.value.code == "recipe_family_missing"
    assert refused.value.message == "recipe classic says nothing about models of the family mlp; it knows vit"
    assert refused.value.hint == (
        'Use a recipe with "levels" for every family, such as deploy, or add "mlp" under "families"'
    )


def test_a_step_after_one_it_must_never_follow(file: Path) -> None:
    file.write_text(json.dumps(recipe(QUANTIZE, PRUNE)))
    assert refusal(file) == (
        "recipe_invalid",
        f"{file}, levels.1[1].step: expected a step that may follow quantize_dynamic, "
        'found "prune_magnitude"',
        "prune_magnitude never comes after quantize_dynamic: move it before, or leave one of them out",
    )


def test_unknown_name() -> None:
    assert refusal("clasic") == (
        "recipe_unknown",
        'unknown recipe "clasic"; known: classic, deploy',
        'Did you mean "classic"?',
    )
    assert refusal("zzz")[2] == "Name one of them, or give the path of a recipe file"


def test_no_file(file: Path) -> None:
    assert refusal(file) == (
        "recipe_unreadable",
        f"{file}: cannot be read: No such file or directory",
        "Check the path of the recipe",
    )


def test_no_json(file: Path) -> None:
    file.write_text('{"version": 1,}')
    code, message, hint = refusal(file)
    assert (code, hint) == ("recipe_not_json", "Correct the file at that place")
    assert message.startswith(f"{file} is not valid JSON: ")


def test_levels_or_families(file: Path) -> None:
    file.write_text(json.dumps({"version": 1, "name": "mine"}))
    assert refusal(file) == (
        "recipe_invalid",
        f'{file}: expected "levels" or "families", found neither',
        "Every key with its meaning: capstone schema recipe",
    )
