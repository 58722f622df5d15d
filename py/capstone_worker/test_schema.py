"""Checks, defaults and messages; the messages whole, in the words of src/spec/explain.ts."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from capstone_worker import schema
from capstone_worker.errors import UserError

EXPLAINED = "Every key with its meaning: capstone schema job"
JOB = {"version": 1, "kind": "train"}


def refusal(name: str, value: object) -> tuple[str, str, str]:
    with pytest.raises(UserError) as refused:
        schema.validate(name, value, "job.json")
    return refused.value.code, refused.value.message, refused.value.hint


def test_defaults_stand_for_what_was_left_out_and_the_argument_stays_as_it_is() -> None:
    given: dict[str, Any] = {**JOB, "seeds": [3]}
    checked = schema.validate("job", given)
    assert given == {**JOB, "seeds": [3]}
    assert checked["seeds"] == [3]
    assert checked["models"] == schema.default("train", "models") == ["resnet18"]
    assert checked["train"]["epochs"] == schema.default("train", "train.epochs") == 25
    assert checked["train"]["max_train_samples"] is None
    assert "threads" not in checked["train"]
    assert checked["executor"] == {"kind": "local", "concurrency": 1}


def test_only_the_branch_that_is_meant_fills_in_defaults() -> None:
    steps = [{"step": "quantize_dynamic"}, {"step": "prune_magnitude", "amount": 0.5}]
    recipe = {"version": 1, "name": "mine", "levels": {str(level): steps for level in range(1, 6)}}
    assert schema.validate("recipe", recipe)["levels"]["1"] == [
        {"step": "quantize_dynamic"},
        {"step": "prune_magnitude", "amount": 0.5, "scope": "global"},
    ]


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        (3, "job.json: expected an object, found 3", EXPLAINED),
        ({}, "job.json, kind: expected a value, found nothing", EXPLAINED),
        (
            {**JOB, "kind": "tran"},
            'job.json, kind: expected one of train, compress, benchmark, sweep, found "tran"',
            EXPLAINED,
        ),
        (
            {**JOB, "version": 2},
            "job.json, version: expected 1, found 2, which a newer capstone reads",
            "Update capstone to use it",
        ),
        ({**JOB, "models": []}, "job.json, models: expected at least 1 entry, found []", EXPLAINED),
        (
            {**JOB, "models": ["resnet 18"]},
            "job.json, models[0]: expected text that matches ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$ or an object, "
            'found "resnet 18"',
            EXPLAINED,
        ),
        (
            {**JOB, "train": {"epochs": 0}},
            "job.json, train.epochs: expected a number, at least 1, found 0",
            EXPLAINED,
        ),
        (
            {**JOB, "train": {"epochs": True}},
            "job.json, train.epochs: expected a whole number, found true",
            EXPLAINED,
        ),
        (
            {**JOB, "train": {"lr": 0}},
            "job.json, train.lr: expected a number, more than 0, found 0",
            EXPLAINED,
        ),
        (
            {**JOB, "train": {"max_train_samples": "all"}},
            'job.json, train.max_train_samples: expected a whole number or null, found "all"',
            EXPLAINED,
        ),
        (
            {**JOB, "train": {"epoch": 3}},
            'job.json, train.epoch: expected a known key, found "epoch"',
            'Did you mean "epochs"?',
        ),
        (
            {**JOB, "executor": {"workers": 3}},
            'job.json, executor.workers: expected one of the keys kind, concurrency, found "workers"',
            EXPLAINED,
        ),
        (
            {**JOB, "kind": "compress", "levels": [6]},
            "job.json, levels[0]: expected a level from 1 to 5, found 6",
            EXPLAINED,
        ),
        (
            {**JOB, "data_root": ""},
            'job.json, data_root: expected at least 1 character, found ""',
            EXPLAINED,
        ),
    ],
)
def test_refusals(value: object, message: str, hint: str) -> None:
    assert refusal("job", value) == ("job_invalid", message, hint)


def test_a_long_value_is_cut_in_a_message() -> None:
    message = refusal("job", {**JOB, "seeds": "x" * 100})[1]
    assert message == f'job.json, seeds: expected an array, found "{"x" * 56}...'


def test_flags_are_named_as_the_schema_says() -> None:
    flags = {flag.name: flag.path for flag in schema.flags("benchmark")}
    assert flags == {
        "--model": ("models",),
        "--dataset": ("datasets",),
        "--recipe": ("recipes",),
        "--levels": ("levels",),
        "--seed": ("seeds",),
        "--max-eval-samples": ("benchmark", "max_eval_samples"),
        "--batch-sizes": ("benchmark", "batch_sizes"),
        "--runtimes": ("benchmark", "runtimes"),
        "--devices": ("benchmark", "devices"),
        "--peak-memory": ("benchmark", "peak_memory"),
        "--threads": ("benchmark", "threads"),
        "--data-root": ("data_root",),
    }
    assert "--compression-level" in [flag.name for flag in schema.flags("compress")]


@pytest.mark.parametrize("name", ["event", "job", "recipe", "record", "row", "task"])
def test_every_schema_compiles(name: str) -> None:
    with pytest.raises(UserError):
        schema.validate(name, 3)
    assert json.dumps(schema.load(name))


EXAMPLES = sorted((schema.PACKAGE_ROOT / "examples").glob("*.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_editor_accepts_the_examples_and_flags_a_misspelt_key(path: Path) -> None:
    """The committed schema as an editor reads it, nothing prepared: by fastjsonschema, written by others."""
    editor = fastjsonschema.compile(schema.load("job"))
    example = json.loads(path.read_text(encoding="utf-8"))
    editor(copy.deepcopy(example))
    editor({**copy.deepcopy(example), "extends": "base.json"})
    for misspelt in (
        {**example, "levles": [1]},
        {**example, "executor": {"concurency": 2}},
        {**example, "version": 2},
        {**example, "models": [{"nam": "resnet18"}]},
    ):
        with pytest.raises(fastjsonschema.JsonSchemaValueException):
            editor(misspelt)


@pytest.mark.parametrize(
    "path", sorted((schema.PACKAGE_ROOT / "recipes").glob("*.json")), ids=lambda path: path.name
)
def test_an_editor_accepts_the_recipes_and_flags_a_misspelt_key(path: Path) -> None:
    editor = fastjsonschema.compile(schema.load("recipe"))
    recipe = {"$schema": "../schema/recipe.schema.json", **json.loads(path.read_text(encoding="utf-8"))}
    editor(copy.deepcopy(recipe))
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        editor({**recipe, "family": {}})
