"""The JSON Schemas that src/spec/ generates: checks, defaults, rules and flags for Python. A leaf.

What a user may leave out has its default in the schema and nowhere else, and what a flag is called follows
from the schema too, so that `capstone X` and `python py/X.py` cannot disagree.
"""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema

from .errors import UserError

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
"""Where the program lives: schema/, recipes/ and py/ are in it. Read-only after an install."""

Schema = dict[str, Any]

_NO_SETTINGS = {"$schema", "extends", "version", "kind", "name", "require", "executor"}
"""Keys of a job that name it, judge it as a whole or say who runs it."""

FORMAT_VERSION = 1
"""Of jobs and recipes, as in src/spec/names.ts."""

_VERSIONED = ("job", "recipe")
_HINTS = {
    "job": "Every key with its meaning: capstone schema job",
    "recipe": "Every key with its meaning: capstone schema recipe",
}

_SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True)
class Flag:
    """A flag of the command line.

    Attributes:
        name: as typed, for example ``--batch-size``.
        path: of the setting in a job, for example ``("train", "batch_size")``.
        schema: of the setting: its type, its default, its description.
    """

    name: str
    path: tuple[str, ...]
    schema: Schema


@dataclass(frozen=True)
class ArchitectureFacts:
    """What a job must know of an architecture before anything starts; image sizes in pixels.

    Attributes:
        family: chooses a recipe's levels, for example ``resnet``.
        stems: the first layers it can have, the default first.
        default_image_size: where a job names none.
        minimum_image_size: the smallest it takes.
        image_size_multiple_of: what every size it takes is a multiple of.
    """

    family: str
    stems: tuple[str, ...]
    default_image_size: int
    minimum_image_size: int
    image_size_multiple_of: int


@cache
def load(name: str) -> Schema:
    """The schema in schema/<name>.schema.json; shared, so leave it as it is."""
    text = (PACKAGE_ROOT / "schema" / f"{name}.schema.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


Source = str | Callable[[str], str]
"""Where a value comes from, for messages: a file; or what to call the place at a path, such as a flag."""


def validate(name: str, value: Any, source: Source = "") -> Any:  # noqa: ANN401 - any JSON value
    """Check a JSON value against a schema: a copy of it in which defaults stand for what was left out.

    Args:
        name: of the schema, for example ``task``.
        value: what json.load gives.
        source: where the value comes from; by default the name.

    Raises:
        UserError: ``<name>_invalid``; the message says the path, what was expected there and what was found.
    """
    checked = copy.deepcopy(value)
    version = value.get("version") if isinstance(value, dict) else None
    if type(version) is int and version > FORMAT_VERSION and name in _VERSIONED:
        found = f"{version}, which a newer capstone reads"
        raise invalid(
            name, source or name, "version", str(FORMAT_VERSION), found, "Update capstone to use it"
        )
    try:
        checker(name)(checked)
    except fastjsonschema.JsonSchemaValueException as error:
        path, expected, found, hint = _explain(error)
        raise invalid(name, source or name, path, expected, found, hint) from None
    return checked


def invalid(name: str, source: Source, path: str, expected: str, found: str, hint: str = "") -> UserError:
    """What `validate` raises; also for rules that JSON Schema cannot say."""
    if callable(source):
        place, explained = source(path), "Every flag with its meaning: --help"
    else:
        place, explained = f"{source}, {path}" if path else source, _HINTS.get(name, "")
    return UserError(f"{name}_invalid", f"{place}: expected {expected}, found {found}", hint or explained)


def default(kind: str, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """What a job of this kind has at a dotted path, for example ``train.epochs``, when it says nothing there.

    Raises:
        KeyError: it has no such setting, or the setting no default.
    """
    found = _job(kind)
    for word in path.split("."):
        found = found["properties"][word]
    return copy.deepcopy(found["default"])


def flags(kind: str) -> list[Flag]:
    """A flag for each setting of a job of this kind, in the schema's order.

    Named as the schema says (``x-flag``), else by the last word of its key with dashes.
    """
    settings = _job(kind)["properties"]
    return list(_flags({key: value for key, value in settings.items() if key not in _NO_SETTINGS}, ()))


def job_version(settings: str) -> int:
    """The ``x-version`` of the settings ``train`` or ``benchmark``: raised when their results change."""
    version: int = _job(settings)["properties"][settings]["x-version"]
    return version


def preset(kind: str, name: str) -> dict[str, Any]:
    """The ``train`` settings of a preset, which what a job says itself goes before; {} for an unknown one."""
    presets: dict[str, dict[str, Any]] = _job(kind)["properties"]["train"]["x-presets"]
    return copy.deepcopy(presets.get(name, {}))


def step_rules(step: str) -> Schema:
    """What the schema says of a recipe step: ``x-version``, ``x-never-after`` and its settings.

    Raises:
        KeyError: there is no such step.
    """
    steps = load("recipe")["properties"]["levels"]["properties"]["1"]["items"]["oneOf"]
    return {rules["properties"]["step"]["const"]: rules for rules in steps}[step]  # type: ignore[no-any-return]


def architecture(arch: str) -> ArchitectureFacts:
    """What the job's schema says of an architecture (``x-architectures``).

    Raises:
        KeyError: there is none of that name.
    """
    said = load("job")["x-architectures"][arch]
    size = said["image_size"]
    return ArchitectureFacts(
        said["family"], tuple(said["stems"]), size["default"], size["minimum"], size["multiple_of"]
    )


def _job(kind: str) -> Schema:
    branches = load("job")["oneOf"]
    return {branch["properties"]["kind"]["const"]: branch for branch in branches}[kind]  # type: ignore[no-any-return]


def _flags(settings: Schema, above: tuple[str, ...]) -> Iterator[Flag]:
    for key, schema in settings.items():
        if "properties" in schema:
            yield from _flags(schema["properties"], (*above, key))
        else:
            yield Flag(schema.get("x-flag", f"--{key.replace('_', '-')}"), (*above, key), schema)


@cache
def checker(name: str) -> Callable[[Any], Any]:
    """What `validate` asks; made once, which takes a tenth of a second."""
    compiled: Callable[[Any], Any] = fastjsonschema.compile(_prepared(load(name)))
    return compiled


def _prepared(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """The same schema as fastjsonschema should see it.

    A default ``{}`` becomes the defaults of the object's own settings, as zod's prefault means it. And a
    oneOf over objects that differ in a constant asks for that constant first: fastjsonschema says of a oneOf
    only that no branch fits, and lets each branch it tries fill in defaults.
    """
    if isinstance(schema, list):
        return [_prepared(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: _prepared(part) for key, part in schema.items()}
    if parts.get("default") == {}:
        settings = parts["properties"].items()
        parts["default"] = {key: setting["default"] for key, setting in settings if "default" in setting}
    key = _discriminator(parts.get("oneOf", []))
    return parts if key is None else _asking_first(key, parts)


def _asking_first(key: str, parts: Schema) -> Schema:
    branches = {branch["properties"][key]["const"]: branch for branch in parts.pop("oneOf")}
    is_one = {"type": "object", "required": [key], "properties": {key: {"enum": list(branches)}}}
    choices = [
        {"if": {"properties": {key: {"const": name}}}, "then": branch} for name, branch in branches.items()
    ]
    return {**parts, "allOf": [is_one, *choices]}


def _discriminator(branches: list[Schema]) -> str | None:
    """The property that is a constant in every branch; None where there is none."""
    constants = [
        {key for key, schema in branch.get("properties", {}).items() if "const" in schema}
        for branch in branches
    ]
    return min(set.intersection(*constants), default=None) if constants else None


def _explain(error: fastjsonschema.JsonSchemaValueException) -> tuple[str, str, str, str]:
    """Path, what was expected, what was found, what to do; in the words of src/spec/explain.ts."""
    path = (error.name or "").removeprefix("data").removeprefix(".")
    limit = error.rule_definition
    if error.rule == "required":
        missing = next(key for key in limit if key not in error.value)
        return _below(path, missing), "a value", "nothing", ""
    if error.rule == "additionalProperties":
        known = error.definition["properties"]
        unknown = next(key for key in error.value if key not in known)
        nearest = difflib.get_close_matches(unknown, known, n=1)
        found = json.dumps(unknown)
        if nearest:
            return _below(path, unknown), "a known key", found, f"Did you mean {json.dumps(nearest[0])}?"
        return _below(path, unknown), f"one of the keys {', '.join(known)}", found, ""
    expected = None if error.rule == "type" else error.definition.get("x-expected")
    return path, expected or _expected(error.rule, limit) or error.message, _show(error.value), ""


def _expected(rule: str | None, limit: Any) -> str | None:  # noqa: ANN401 - a number, a list, a type
    match rule:
        case "type":
            return _article(limit)
        case "const":
            return _show(limit)
        case "enum":
            return f"one of {', '.join(map(str, limit))}"
        case "minimum":
            return f"a number, at least {limit}"
        case "maximum":
            return f"a number, at most {limit}"
        case "exclusiveMinimum":
            return f"a number, more than {limit}"
        case "exclusiveMaximum":
            return f"a number, less than {limit}"
        case "minItems":
            return f"at least {limit} {'entry' if limit == 1 else 'entries'}"
        case "minLength":
            return f"at least {limit} {'character' if limit == 1 else 'characters'}"
        case "pattern":
            return _text(limit)
        case "anyOf":
            return " or ".join(dict.fromkeys(_kind(option) for option in limit))
    return None


def _kind(option: Schema) -> str:
    return _text(option["pattern"]) if "pattern" in option else _article(option.get("type", "object"))


def _text(pattern: str) -> str:
    return f"text that matches {pattern}"


def _article(kind: str) -> str:
    names = {"integer": "a whole number", "null": "null", "object": "an object", "array": "an array"}
    return names.get(kind, f"a {kind}")


def _show(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
