"""Recipes: which steps make each level. Reading one, and the rules between its steps."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import schema
from .errors import UserError

FOLDER = schema.PACKAGE_ROOT / "recipes"

Recipe = dict[str, Any]
"""As in schema/recipe.schema.json, with the defaults of its steps filled in."""


def read(reference: str) -> Recipe:
    """The recipe of that name, or in the file of that path: what has a ``/`` or ends in ``.json``.

    Raises:
        UserError: ``recipe_unknown``, ``recipe_unreadable``, ``recipe_not_json``, ``recipe_invalid``.
    """
    if "/" in reference or reference.endswith(".json"):
        return _read(Path(reference))
    known = sorted(path.stem for path in FOLDER.glob("*.json"))
    if reference in known:
        return _read(FOLDER / f"{reference}.json")
    nearest = difflib.get_close_matches(reference, known, n=1)
    raise UserError(
        "recipe_unknown",
        f'unknown recipe "{reference}"; known: {", ".join(known)}',
        f'Did you mean "{nearest[0]}"?' if nearest else "Name one of them, or give the path of a recipe file",
    )


def level_steps(recipe: Recipe, family: str, level: int) -> list[dict[str, Any]]:
    """The steps that make a level, from 1 to 5, of models of a family, for example ``resnet``.

    Raises:
        UserError: ``recipe_family_missing``.
    """
    families = recipe.get("families", {})
    if family not in families and "levels" not in recipe:
        raise UserError(
            "recipe_family_missing",
            f"recipe {recipe['name']} says nothing about models of the family {family}; "
            f"it knows {', '.join(families)}",
            'Use a recipe with "levels" for every family, such as deploy, or add '
            f'"{family}" under "families"',
        )
    levels = families[family]["levels"] if family in families else recipe["levels"]
    steps: list[dict[str, Any]] = levels[str(level)]
    return steps


def check_order(steps: Sequence[Mapping[str, Any]], source: str, path: str) -> None:
    """Refuse steps of which one stands after a step that it must never follow (``x-never-after``).

    Args:
        steps: each with its name under ``step``.
        source: what holds them, for the message.
        path: of the list in there.

    Raises:
        UserError: ``recipe_invalid``.
    """
    names = [step["step"] for step in steps]
    for index, name in enumerate(names):
        forbidden = schema.step_rules(name)["x-never-after"]
        clash = next((before for before in names[:index] if before in forbidden), None)
        if clash is not None:
            raise schema.invalid(
                "recipe",
                source,
                f"{path}[{index}].step",
                f"a step that may follow {clash}",
                f'"{name}"',
                f"{name} never comes after {clash}: move it before, or leave one of them out",
            )


def _read(path: Path) -> Recipe:
    try:
        content = json.loads(path.read_bytes().decode())
    except OSError as error:
        raise UserError(
            "recipe_unreadable", f"{path}: cannot be read: {error.strerror}", "Check the path of the recipe"
        ) from None
    except ValueError as error:
        raise UserError(
            "recipe_not_json", f"{path} is not valid JSON: {error}", "Correct the file at that place"
        ) from None
    recipe: Recipe = schema.validate("recipe", content, str(path))
    if "levels" not in recipe and "families" not in recipe:
        raise schema.invalid("recipe", str(path), "", '"levels" or "families"', "neither")
    for place, levels in _level_tables(recipe):
        for level, steps in levels.items():
            check_order(steps, str(path), f"{place}.{level}")
    return recipe


def _level_tables(recipe: Recipe) -> Iterator[tuple[str, dict[str, Any]]]:
    if "levels" in recipe:
        yield "levels", recipe["levels"]
    for family, of_family in recipe.get("families", {}).items():
        yield f"families.{family}.levels", of_family["levels"]


def needs_one_cpu(steps: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all steps are quick on one CPU, as the schema says of each (``x-single-cpu``)."""
    return all(schema.step_rules(step["step"])["x-single-cpu"] for step in steps)


def needs(steps: Sequence[Mapping[str, Any]]) -> set[str]:
    """What the steps use besides the network, as the schema says of each (``x-needs``)."""
    return {need for step in steps for need in schema.step_rules(step["step"]).get("x-needs", ())}
